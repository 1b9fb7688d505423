"""The release of a pod template: from a variable, however it gets its value, or from where a target says. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lightkube.models.core_v1 import Container, EnvVar, PodTemplateSpec

from reelback_operator.platforms.base import Target
from reelback_operator.platforms.templates import Ambiguous, given, main_container

ConfigMaps = Mapping[str, Mapping[str, str]]
_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")
_FIELD = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_SAY = "say targets[].releaseFrom"


def config_maps(target: Target, template: PodTemplateSpec) -> set[str]:
    """The ConfigMaps that the release may come from, by name. Raises Ambiguous."""
    origin = target.release_from
    if origin and not origin.variable:
        return set()
    container = main_container(target, template)
    last = next((entry for entry in reversed(container.env or []) if entry.name == target.variable), None)
    if last and last.valueFrom is None and not _REFERENCE.search(last.value or ""):
        return set()
    named = [entry.valueFrom.configMapKeyRef for entry in container.env or [] if entry.valueFrom]
    sources = [source.configMapRef for source in container.envFrom or []]
    return {reference.name for reference in (*named, *sources) if reference and reference.name}


def release(target: Target, template: PodTemplateSpec, maps: ConfigMaps) -> str:
    """The release of the template. Raises Ambiguous, which says what is missing."""
    origin = target.release_from
    container, metadata = main_container(target, template), template.metadata
    if origin and origin.image_tag:
        tagged, _, _ = (container.image or "").rpartition("/")[2].partition("@")
        return _of(target, tagged.partition(":")[2], f"no tag in the image {container.image}")
    if origin and (origin.label or origin.annotation):
        kind, key = ("label", origin.label) if origin.label else ("annotation", origin.annotation)
        values = ((metadata.labels if origin.label else metadata.annotations) if metadata else None) or {}
        return _of(target, values.get(key or "", ""), f"no {kind} {key} in its template")
    value = _variable(target.variable, container.env or [], container, template, maps)
    missing = f"no {target.variable}, its releases cannot be told apart: {_SAY}"
    # The SDK takes SENTRY_RELEASE as it is.
    return value if value and origin is None else _of(target, value or "", missing)


def _of(target: Target, value: str, missing: str) -> str:
    if not value:
        raise Ambiguous(f"has {missing}")
    return value if "@" in value else f"{target.name}@{value}"


def _variable(
    name: str, entries: Sequence[EnvVar], container: Container, template: PodTemplateSpec, maps: ConfigMaps
) -> str | None:
    """The value of a variable as the container will have it, None when it has none.

    Of several `entries` the last one counts, and it may refer to those before it, as the kubelet sees them.
    """
    index = max((place for place, entry in enumerate(entries) if entry.name == name), default=None)
    if index is None:
        return _from_sources(name, container, maps)
    if entries[index].valueFrom is not None:
        return _referenced(name, entries[index], template, maps)

    def expanded(match: re.Match[str]) -> str:
        if match[1] is None:  # `$$`, which stands for itself
            return "$"
        found = _variable(match[1], entries[:index], container, template, maps)
        if found is None:
            raise Ambiguous(f"has a {name} that refers to {match[1]}, which is not there before it: {_SAY}")
        return found

    return _REFERENCE.sub(expanded, entries[index].value or "")


def _from_sources(name: str, container: Container, maps: ConfigMaps) -> str | None:
    found = None
    for source in container.envFrom or []:
        prefix, reference = source.prefix or "", source.configMapRef
        if reference is None and name.startswith(prefix) and source.secretRef:
            continue
        values = maps.get(given(reference).name or "", {}) if reference else {}
        if name.startswith(prefix) and (value := values.get(name.removeprefix(prefix))) is not None:
            found = value
    if found is None and any(source.secretRef for source in container.envFrom or []):
        raise Ambiguous(f"has no {name} but perhaps in a Secret, which is not read: {_SAY}")
    return found


def _referenced(name: str, entry: EnvVar, template: PodTemplateSpec, maps: ConfigMaps) -> str:
    origin = given(entry.valueFrom)
    if origin.configMapKeyRef is not None:
        reference = origin.configMapKeyRef
        value = maps.get(reference.name or "", {}).get(reference.key)
        if value is None:
            raise Ambiguous(f"has a {name} from the ConfigMap {reference.name}, which has no {reference.key}: {_SAY}")
        return value
    if origin.fieldRef is not None and (match := _FIELD.fullmatch(origin.fieldRef.fieldPath)):
        metadata = template.metadata
        values = ((metadata.labels if match[1] == "labels" else metadata.annotations) if metadata else None) or {}
        if match[2] in values:
            return str(values[match[2]])
    raise Ambiguous(f"has a {name} that is a reference which cannot be read here: {_SAY}")
