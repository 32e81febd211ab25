"""`motorium why RECIPE STAGE`: why a stage is, or is not, computed again."""

from __future__ import annotations

import argparse

from motorium.commands.options import add_store, all_stages, open_store, print_json
from motorium.flow.recipe import Recipe, parse_settings
from motorium.flow.why import explain, format_explanation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("recipe", metavar="RECIPE", help="a YAML file")
    parser.add_argument("stage", metavar="STAGE", help="a stage of it")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="as for `motorium run`")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Print the explanation."""
    recipe = Recipe.read(args.recipe).resolve(parse_settings(args.set))
    explanation = explain(recipe, all_stages(), open_store(args), args.stage)
    if args.json:
        print_json(explanation.to_plain())
    else:
        print(format_explanation(explanation))
    return 0
