"""Price feeds: lists of prices that are read again and again, and the gate before them."""
