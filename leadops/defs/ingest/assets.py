"""Where lineage begins: the event log. Written by the ingestion service and the CRM sensors, not by a run.

https://docs.dagster.io/guides/build/assets/external-assets
"""

from leadops.defs.show import table_spec

lead_events = table_spec(
    "lead_events",
    group="ingest",
    table="lead_events",
    description="Everything a lead did, appended once per source and id: forms, demo requests, clicks, "
    "replies, bounces, what reps did. The only source of lead state; observed by the CRM sensors and by the "
    "sensor on pending events.",
)
