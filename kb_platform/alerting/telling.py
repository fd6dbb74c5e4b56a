"""Tells each alert once by each channel. What may pass is tried again, at once and with the next tick; what cannot pass is said, and left."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from kb_platform.alerting.channels import Channel
from kb_platform.knowledge.alerts import Alert
from kb_platform.knowledge.errors import PermanentError, TransientError

WAITS = (1.0, 4.0)  # seconds before the second and third attempt of a tick
AT_MOST = 30.0  # seconds of a tick after which nothing more is begun


@dataclass(frozen=True)
class Told:
    """What a round has done: `told` are the deliveries (channel and key) that need no other round, `troubles` why some were not made."""

    told: frozenset[str]
    sent: int
    troubles: tuple[str, ...]


def tell(alerts: Sequence[Alert], channels: Sequence[Channel], before: Collection[str], waits: Sequence[float] = WAITS) -> Told:
    """Send what no earlier round has told; `before` are its deliveries."""
    known, told, troubles, sent = frozenset(before), set[str](), [], 0
    end = time.monotonic() + AT_MOST
    for channel in channels:
        for alert in alerts:
            deliveries = {f"{channel.name}:{key}" for key in alert.keys}
            if deliveries <= known:
                continue
            if time.monotonic() > end:
                troubles.append("this round took long: the rest is told in the next")
                return Told(frozenset(told), sent, tuple(troubles))
            try:
                _patiently(channel, alert, waits)
                sent += 1
            except TransientError as error:
                troubles.append(f"{channel.name}: {error}; tried again with the next tick")
                break  # of this channel: the others' deliveries need not wait for it
            except PermanentError as error:
                troubles.append(f"{channel.name}: {error}; not tried again")
            told |= deliveries
    return Told(frozenset(told), sent, tuple(troubles))


def _patiently(channel: Channel, alert: Alert, waits: Sequence[float]) -> None:
    for wait in waits:
        try:
            return channel.send(alert)
        except TransientError:
            time.sleep(wait)
    return channel.send(alert)
