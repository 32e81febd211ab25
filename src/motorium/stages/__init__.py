"""Stages: thin glue between the parts, a file a stage; the table of them."""

from motorium.core.catalog import Catalog

STAGES = Catalog(
    "stage",
    [
        ("demonstrate", "motorium.stages.demonstrate:STAGE"),
        ("ingest", "motorium.stages.ingest:STAGE"),
        ("curate", "motorium.stages.curate:STAGE"),
        ("edit", "motorium.stages.edit:STAGE"),
        ("amplify", "motorium.stages.amplify:STAGE"),
        ("train", "motorium.stages.train:STAGE"),
        ("rl", "motorium.stages.rl:STAGE"),
        ("evaluate", "motorium.stages.evaluate:STAGE"),
        ("attack", "motorium.stages.attack:STAGE"),
        ("evaluate-open-loop", "motorium.stages.evaluate_open_loop:STAGE"),
        ("ablate", "motorium.stages.ablate:STAGE"),
        ("export", "motorium.stages.export:STAGE"),
        ("serve-check", "motorium.serve.check:STAGE"),
        ("page", "motorium.stages.page:STAGE"),
    ],
)
