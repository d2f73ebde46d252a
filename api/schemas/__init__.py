"""Typed models of the documents that minfleet returns, and the JSON schemas made from them."""
