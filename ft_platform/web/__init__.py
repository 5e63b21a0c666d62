"""What stands before the web pages of an installation: who may ask, and what may be asked. Loads Dagster's web server
only where one is started."""
