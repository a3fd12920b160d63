"""Invariants of enrichment: nobody waits beyond its deadline, it costs what it may, and loses nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING, Any

from leadops.domain.firmographics import TITLE_LEVELS
from leadops.simulator.faults import ENRICHERS
from leadops.simulator.records import WRITTEN_BY
from leadops.simulator.seen import Seen
from leadops.store.engine import rows, sql, transaction

if TYPE_CHECKING:
    from leadops.simulator.simulation import Simulation

Found = Iterator[tuple[str, str]]
_MOMENT = timedelta(seconds=1.5)
"""Beyond the deadline: so much later somebody who sleeps may be woken, and write down what came."""
_HELD = timedelta(minutes=5)
"""Nobody may keep a lead for itself for longer."""
_THROUGH = timedelta(minutes=45)
"""By then whoever waits for enrichment is through, however many workers died over them."""
_USD = 1e-6


def enrichment_keeps_its_deadline(run: Simulation) -> Found:
    """Every pass, from its first look at its leads to their release, on the simulated clock."""
    allowed = timedelta(seconds=run.loaded.playbook.enrichment.deadline_seconds)
    for leads, took in run.records.waited:
        if took > allowed + _MOMENT:
            for lead_id in sorted(leads):
                yield lead_id, f"waited {took} for enrichment, {allowed} are allowed"
    run.records.waited.clear()


def budgets_are_kept(run: Simulation) -> Found:
    """By the vendor's own bill of each calendar month."""
    budgets = _prices(run, "monthly_budget_usd")
    prices = _prices(run, "usd_per_lookup")
    for (vendor, month), count in sorted(run.records.bill.items()):
        usd, most = count * prices[vendor], budgets.get(vendor, inf)
        if usd > most + _USD:
            yield vendor, f"has charged {usd:.2f} USD in {month}, the budget is {most:.2f}"


def _prices(run: Simulation, name: str) -> dict[str, float]:
    """Vendor -> this figure of its place in the waterfall, where it has one."""
    places = run.loaded.playbook.enrichment.waterfall
    return {p.provider: getattr(p, name) for p in places if getattr(p, name) is not None}


_COUNTED = sql(
    """select c.provider, c.key, count(*) as asked, sum(c.cost_usd) as usd,
        count(*) filter (where c.outcome in ('found', 'none')) as answered,
        exists (select 1 from enrichment_cache k where k.provider = c.provider and k.key = c.key) as known
    from enrichment_calls c group by c.provider, c.key"""
)


def look_ups_are_counted_once(run: Simulation) -> Found:
    """Each is written down before it leaves, at what it may cost; each answer that comes, once."""
    if not run.records.look_ups:
        return  # behind sockets nobody listens
    with transaction(run.observer) as connection:
        counted = {(r["provider"], r["key"]): r for r in rows(connection, _COUNTED)}
    prices = _prices(run, "usd_per_lookup")
    asked, came, charged = Counter[Any](), Counter[Any](), Counter[Any]()
    for look_up in run.records.look_ups:
        pair = (look_up.vendor, look_up.key)
        asked[pair] += 1
        came[pair] += look_up.came_at is not None
        charged[pair] += look_up.is_charged
    for pair, count in sorted(asked.items()):
        vendor, key = pair
        row: Any = counted.get(pair, {"asked": 0, "answered": 0, "usd": 0.0})
        if row["asked"] < count:
            yield key, f"was asked of {vendor} {count} times, {row['asked']} were written down"
        if row["answered"] > came[pair]:
            yield key, f"has {row['answered']} answers of {vendor}, {came[pair]} came"
        if row["usd"] + _USD < charged[pair] * prices[vendor]:
            yield (
                key,
                f"was charged {charged[pair] * prices[vendor]:.2f} USD by {vendor}, {row['usd']:.2f} count",
            )
    now = run.scheduler.clock()
    for look_up in run.records.look_ups:
        is_had = look_up.is_whole and not look_up.is_lost
        was_long_ago = look_up.came_at is not None and now - look_up.came_at > WRITTEN_BY
        if is_had and was_long_ago and not counted[look_up.vendor, look_up.key]["known"]:
            yield look_up.key, f"was answered by {look_up.vendor} at {look_up.came_at}, and nobody knows"


def nobody_is_lost_in_enrichment(run: Simulation, seen: Seen) -> Iterator[str]:
    """Who waits for it is soon through, and goes on to a score with what there is."""
    lead, now = seen.lead, run.scheduler.clock()
    if lead["merged_into"] is not None or lead["parked"]:
        return
    if lead["pending_enrichment"] and now - lead["updated_at"] > _THROUGH:
        yield f"waits for enrichment since {lead['updated_at']}"
    if lead["enriching_until"] is not None and lead["enriching_until"] > now + _HELD:
        yield f"is kept for enrichment until {lead['enriching_until']}"
    if seen.at_rest and lead["became_lead_at"] is not None and lead["tier"] is None:
        yield "is through with enrichment and has no score"


_TOLD = sql("select lead_id, provider, key, fields from enrichments where key is not null")


def nonsense_is_not_believed(run: Simulation) -> Found:
    """What is kept of a vendor's words is what it knows, in our words; of nonsense nothing is kept."""
    texts = {(u.vendor, u.key): u.text for u in run.records.look_ups}
    with transaction(run.observer) as connection:
        told = rows(connection, _TOLD)
    for row in told:
        text = texts.get((row["provider"], row["key"]))
        if row["provider"] not in ENRICHERS or text is None:
            continue
        known = run.enrichers.known(text)
        for name, said in sorted(row["fields"].items()):
            value = said["value"]
            is_so = value in TITLE_LEVELS if name == "title_level" else value == known.get(name)
            if not is_so:
                yield row["lead_id"], f"{row['provider']} is taken to have said {name} = {str(value)[:60]!r}"
