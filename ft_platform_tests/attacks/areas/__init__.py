"""One file for each part of the platform that is attacked."""
