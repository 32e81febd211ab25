from motorium.core.catalog import Catalog

POLICIES = Catalog(
    "policy",
    [
        ("flow-matching", "motorium.learn.policies.flow_matching:FlowMatching"),
        ("regression", "motorium.learn.policies.regression:Regression"),
    ],
)
