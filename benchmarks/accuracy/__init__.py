"""How far predictions lie from public measurements, beside AIConfigurator's (``make accuracy``)."""
