"""A proxy in front of a real S3 server that fails as stores do, and processes that work through it and are killed."""
