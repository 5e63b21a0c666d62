"""The words of Dagster's own sentences in events and errors (dagster 1.13: literal parts of messages of events,
executors, launchers and daemons).

A message out of these words, of names that the event has anyway, and of short numbers says nothing about a record. A
sentence of a later version that has another word is withheld: this list is then extended.
"""

_TEXT = """
a active after again all already an and any are as asset at attempt attempted attempting attempts automatic automation
backfill be because before blocked blocking bool but by call canceled canceling cancellation cancelled capture captured
capturing cause check checking checks child claimed clause cleaned cleaning client cluster code collection computational
compute condition config configured container context coordinator could currently daemon daemonized definition deleted
dependencies dequeued description detected dict did disabled does down downstream due duplicate during enabled
environment error evaluated evaluation even event exceeded exceeding exception execute executing execution executor
exists exited exiting external failed failure false find finished float for forcibly forwarding found framework
frequently freshness from get got gracefully group grpc had handled handler handling happens has have health hook hooks
ignoring in including initialization initializing initiated input instance int intends interrupt interrupted invocation
invoking ipc is it its job key label launched launching likely list load loaded loading location log logger loggers logs
longer manager mapping marked marking materialization materializations materialize materialized max maximum may meet
message metrics monitor most ms multiprocess name new no none not nothing object objects observation observed occurred
of on one op or origin original other out output parent parsing part partition partitions pass passed path pid pipeline
planned pool prevent previous process processes progress properly python queue queued raised rather re reason received
record registry renamed repository request requested requires resources restarted resumed resuming retries retry
retrying retryrequested returned root rpc run run_id running runtime seconds send sensor server set setting setup shut
shutdown signal since skipped skipping slot slots somewhere start started starting state status step steps still stops
str strategy string subprocess succeeded success successfully tag teardown telling terminal terminate terminated
terminating termination than that the there this though thread thrown time to treating tried triggered triggering tuple
type unable unexpected unexpectedly unhealthy up upstream user using validation value variables wait waiting wall
warning was were when whether while will with worker writing yield yielded io
"""
_OURS = "lake versions io_manager tableversion artifactversion checkpointversion version result"
"""Our resources, and the types that stages hand on."""
WORDS = frozenset((_TEXT + _OURS).split())
