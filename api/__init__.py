"""How people reach minfleet: the command line."""
