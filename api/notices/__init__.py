"""Notices: events in words, and how they reach whoever subscribed to them."""
