"""Which tests run when, as expressions of markers. A test is `unit` unless it is marked."""

TEST = "not slow and (smoke or not (integration or components))"
"""`make test`, and pytest without `-m`: every unit test, and one smoke test for each seam."""

TEST_ALL = "not slow"
"""`make test-all`: every test but the slow ones. None needs a GPU: `benchmarks/gpu.sh` runs what does."""

COMPONENTS = "components"
"""`make test-components`: what needs a server, an engine or a browser."""
