"""Which tests run when, as expressions of markers. A test is `unit` unless it is marked."""

TEST = "not slow and (smoke or not (integration or components or gpu))"
"""`make test`, and pytest without `-m`: every unit test, and one smoke test for each seam."""

TEST_ALL = "not slow and not gpu"
"""`make test-all`: everything that runs on two cores without a GPU."""

COMPONENTS = "components"
"""`make test-components`: what needs a server, an engine or a browser."""
