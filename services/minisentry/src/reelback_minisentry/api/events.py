"""Counts, rates and percentiles: events, their time series, and sessions."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from reelback_minisentry.api import span_rows
from reelback_minisentry.api.projects import Projects
from reelback_minisentry.issues import error_rows
from reelback_minisentry.query import aggregation, session_health, web_vitals
from reelback_minisentry.query.aggregation import Dataset
from reelback_minisentry.query.counter_datasets import ERRORS, SPANS, CounterDataset
from reelback_minisentry.query.metrics_dataset import TRACEMETRICS
from reelback_minisentry.query.parameters import duration, interval, page, page_size, window
from reelback_minisentry.query.profile_functions import PROFILE_FUNCTIONS
from reelback_minisentry.query.search import BadQuery, parse
from reelback_minisentry.responses import answer
from reelback_minisentry.store import keys
from reelback_minisentry.store.cells import Cell, MetricRow, Row, cells
from reelback_minisentry.store.reader import Reader
from reelback_minisentry.store.scope import Place, Window

DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in (SPANS, ERRORS, TRACEMETRICS, PROFILE_FUNCTIONS)}


class Events:
    """The calls /events/, /events-timeseries/ and /sessions/."""

    def __init__(self, reader: Reader, projects: Projects) -> None:
        self._reader = reader
        self._projects = projects

    async def table(self, request: Request) -> Response:
        """Aggregates of the datasets, and single error events."""
        query = request.query_params
        dataset, fields, span = _dataset(query), query.getlist("field"), window(query)
        if not 1 <= len(fields) <= aggregation.MAX_FIELDS:
            raise BadQuery(f"field: 1 to {aggregation.MAX_FIELDS} are needed")
        place, size = await self._projects.place(query), page_size(query)
        if dataset is ERRORS and not any(dataset.aggregate(name) for name in fields):
            rows, meta = await self._error_rows(request, fields, span, place, size)
            return answer({"data": rows, "meta": meta | {"dataset": "errors"}})
        if dataset.cube is keys.SPANS and span_rows.asked(query.get("query", ""), fields):
            return await self._span_rows(request, fields, span, place)
        counted = await self._cells(dataset, query, span, place)
        ids = await self._ids(dataset, query, span, place)
        lines, meta = aggregation.table(counted, fields, dataset, span.seconds, ids)
        aggregation.sort(lines, query.getlist("sort"), fields)
        shown, link = page(lines, request.url, query)
        meta |= {"dataset": dataset.name, **({} if dataset is ERRORS else aggregation.accuracy(shown))}
        return answer({"data": [line.values for line in shown], "meta": meta}, headers={"Link": link})

    async def _cells(self, dataset: Dataset, query: QueryParams, span: Window, place: Place) -> list[Cell]:
        wanted = dataset.predicate(query.get("query", ""))
        return [
            cell for cell in self._named(await self._reader.cells(dataset.cube, span, place), query) if wanted(cell[0])
        ]

    def _named(self, cells: list[Cell], query: QueryParams) -> list[Cell]:
        """Cells with the names of their projects in place of the ids, where the question is about projects."""
        if not any(
            "project" in text for name in ("field", "query", "groupBy", "yAxis") for text in query.getlist(name)
        ):
            return cells
        slugs = self._projects.names.slugs
        return [(_with_project(row, slugs.get(row["project"], "")), value) for row, value in cells]

    async def _ids(self, dataset: Dataset, query: QueryParams, span: Window, place: Place) -> list[Cell]:
        """The traces and users, where a field asks for how many there are."""
        fields = query.getlist("field")
        functions = [dataset.aggregate(name) for name in fields]
        if not isinstance(dataset, CounterDataset) or not any(f and f.of_ids for f in functions):
            return []
        wanted = dataset.ids_predicate(query.get("query", ""), fields)
        if dataset is ERRORS:
            names = self._projects.names
            stored = [row async for row in self._reader.rows(span, newest_first=True)]
            here = [row for row in stored if place.holds(row["origin"]["environment"], row["origin"]["project"])]
            return [cell for row in here for cell in error_rows.ids(row, names) if wanted(cell[0])]
        if span.step != keys.SECOND:
            raise BadQuery("field: traces and users are counted for 2 hours; the window begins earlier")
        return [cell for cell in self._named(await self._reader.cells(keys.IDS, span, place), query) if wanted(cell[0])]

    async def _error_rows(
        self, request: Request, fields: list[str], span: Window, place: Place, size: int
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Events one by one. They are kept in the order of their time, so that is the only one to sort by."""
        query = request.query_params
        unknown = [name for name in fields if name not in error_rows.FIELDS]
        if unknown:
            raise BadQuery(f"field: unknown field {unknown[0]!r} of dataset errors")
        by = query.get("sort", "-timestamp")
        if by not in ("timestamp", "-timestamp"):
            raise BadQuery(f"sort: rows are sorted by timestamp or -timestamp, not {by!r}")
        wanted, names = parse(query.get("query", ""), error_rows.SEARCHED, {"issue": "issue.id"}), self._projects.names
        rows: list[dict[str, Any]] = []
        async for stored in self._reader.rows(span, newest_first=by.startswith("-")):
            if place.holds(stored["origin"]["environment"], stored["origin"]["project"]) and wanted(
                error_rows.texts(stored, names)
            ):
                rows.append({name: error_rows.value(name, stored, names) for name in fields})
                if len(rows) == size:
                    break
        return rows, {"fields": {name: error_rows.TYPES[name] for name in fields}, "units": {}}

    async def _span_rows(self, request: Request, fields: list[str], span: Window, place: Place) -> Response:
        query = request.query_params
        traces = await self._reader.newest_traces(span.start, span_rows.MAX_TRACES + 1)
        whole = len(traces) <= span_rows.MAX_TRACES
        rows = await asyncio.to_thread(
            span_rows.table,
            traces,
            query.get("query", ""),
            fields,
            query.getlist("sort"),
            names=self._projects.names,
            window=span,
            place=place,
        )
        shown, link = page(rows, request.url, query)
        meta = {
            "dataset": SPANS.name,
            "fields": span_rows.types(fields),
            "units": {name: "millisecond" for name in fields if span_rows.DURATION in name},
            "dataScanned": "full" if whole else "partial",
        }
        return answer({"data": [*shown], "meta": meta}, headers={"Link": link})

    async def timeseries(self, request: Request) -> Response:
        """One aggregate over time, for all or for each group of `groupBy`."""
        query = request.query_params
        dataset, axis, span = _dataset(query), query.get("yAxis", "count()"), window(query)
        wanted, group_by = dataset.predicate(query.get("query", "")), query.getlist("groupBy")
        place = await self._projects.place(query)
        width = interval(query, span)
        steps: defaultdict[int, list[dict[bytes, bytes]]] = defaultdict(list)
        for start, hash_ in await self._reader.counters(dataset.cube, span):
            steps[start // width * width].append(hash_)
        counted = {
            start: [cell for cell in self._named(cells(dataset.cube, hashes, place), query) if wanted(cell[0])]
            for start, hashes in steps.items()
        }
        starts = range(span.start // width * width, span.end, width)
        series = aggregation.timeseries(counted, axis, group_by, dataset, starts)
        return answer(
            {
                "timeSeries": series,
                "meta": {"dataset": dataset.name, "start": span.start * 1000, "end": span.end * 1000},
            }
        )

    async def sessions(self, request: Request) -> Response:
        """Sessions and how many of them were free of crashes."""
        query = request.query_params
        asked = session_health.Question(
            fields=query.getlist("field"),
            group_by=query.getlist("groupBy"),
            query=query.get("query", ""),
            window=window(query),
            interval=duration(query.get("interval", "1h"), "interval"),
        )
        counted = await self._reader.sessions(asked.hours, await self._projects.place(query))
        groups = asked.grouped(counted)
        return answer(asked.shape(groups, await self._reader.sizes(asked.user_sets(groups))))


def _with_project(row: Row, slug: str) -> Row:
    if not slug:
        return row
    named = {**row, "project": slug}
    return MetricRow(named) if isinstance(row, MetricRow) else named


def _dataset(query: QueryParams) -> Dataset:
    name = query.get("dataset")
    if name is None:
        raise BadQuery("dataset: is required")
    if name not in DATASETS:
        raise BadQuery(f"dataset: {name[:40]!r} is not one of {', '.join(DATASETS)}")
    if name == SPANS.name and web_vitals.asked([*query.getlist("field"), query.get("yAxis", "")]):
        return web_vitals.WEB_VITALS
    if name == SPANS.name and query.get("disableAggregateExtrapolation") == "1":
        return SPANS.counted()
    return DATASETS[name]
