"""Refreshing prices from feeds: one path for the command line, REST and a schedule."""
