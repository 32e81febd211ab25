from motorium.core.catalog import Catalog

POLICIES = Catalog(
    "policy",
    [
        ("actor", "motorium.learn.policies.actor:Actor"),
        ("flow-matching", "motorium.learn.policies.flow_matching:FlowMatching"),
        ("regression", "motorium.learn.policies.regression:Regression"),
    ],
)
