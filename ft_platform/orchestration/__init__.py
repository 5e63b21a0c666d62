"""How the graph is loaded, run, watched and started on a Dagster instance. Besides assets, components and back ends,
the only place that knows Dagster."""
