"""The CRD and the operator's models say the same: what one takes, the other takes."""

from __future__ import annotations

import re
import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel
from reelback_operator.engine.model.resource import Phase, Scenario, Spec, Status, Verdict

ROOT = Path(__file__).parents[3]
CRD = yaml.safe_load((ROOT / "charts/reelback-operator/crd/sentryscenarios.yaml").read_text())
VERSION = CRD["spec"]["versions"][0]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]["properties"]
SCENARIOS = sorted((ROOT / "scenarios").glob("*.yaml"))


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that a value of this type may be."""
    if get_origin(annotation) in (Union, types.UnionType, Annotated, list):
        return [model for each in get_args(annotation) for model in models_in(each)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []


def choices_in(annotation: Any) -> set[str]:
    """The words that a value of this type may be."""
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Verdict | Phase):
        return {str(each) for each in annotation}
    return {word for each in get_args(annotation) for word in choices_in(each)}


def check_fields(models: list[type[BaseModel]], schema: Any, path: str) -> None:
    """Insist on the same fields, the same required ones and the same choices, all the way down."""
    fields: dict[str, list[Any]] = {}
    for model in models:
        for name, info in model.model_fields.items():
            fields.setdefault(info.alias or name, []).append(info)
    assert set(fields) == set(schema["properties"]), path
    required = {name for name, infos in fields.items() if len(infos) == len(models) and infos[0].is_required()}
    required &= {name for name, infos in fields.items() if all(info.is_required() for info in infos)}
    assert required == set(schema.get("required", [])), path
    for name, infos in fields.items():
        part, where = schema["properties"][name], f"{path}.{name}"
        words = {word for info in infos for word in choices_in(info.annotation)}
        assert words == set(part.get("enum", [])), where
        below = [model for info in infos for model in models_in(info.annotation)]
        if below:
            check_fields(below, part.get("items", part), where)


def test_the_spec_has_the_same_fields_in_both() -> None:
    check_fields([Spec], SCHEMA["spec"], "spec")


def test_the_status_that_is_described_is_the_one_that_is_written() -> None:
    def described(model: type[BaseModel], schema: Any, path: str) -> None:
        fields = {info.alias or name: info for name, info in model.model_fields.items()}
        for name, part in schema["properties"].items():
            assert name in fields, f"{path}.{name}"
            annotation = fields[name].annotation
            assert choices_in(annotation) >= set(part.get("enum", [])), f"{path}.{name}"
            below = part.get("items", part)
            for nested in models_in(annotation):
                if "properties" in below:
                    described(nested, below, f"{path}.{name}")

    described(Status, SCHEMA["status"], "status")
    assert SCHEMA["status"]["properties"]["phase"]["enum"] == [str(phase) for phase in Phase]


def test_every_column_shows_a_field_that_exists() -> None:
    for column in VERSION["additionalPrinterColumns"]:
        _, part, *steps = column["jsonPath"].split(".")
        if part != "metadata":
            place = SCHEMA[part]
            for step in steps:
                place = place["properties"][step]
            assert place["type"] == column["type"], column["name"]


@pytest.mark.parametrize("text", ["500ms", "2s", "1.5s", "3m", "1h"])
def test_durations_are_the_same_in_both(text: str) -> None:
    assert re.search(SCHEMA["spec"]["properties"]["analysis"]["properties"]["interval"]["pattern"], text)
    minimal = {
        "release": {"version": "1.5.0", "targets": [{"name": "payment"}]},
        "analysis": {"interval": text, "deadline": "2h", "checks": [{"name": "new", "type": "NewIssue"}]},
    }
    assert Spec.model_validate(minimal).analysis.interval > 0


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_of_this_project_is_valid(path: Path) -> None:
    assert Scenario.load(yaml.safe_load(path.read_text())).name == path.stem.removeprefix("scenario-")
