"""The web page that the service serves at ``/``; it asks the service as REST clients do."""
