"""What a pod of the tests runs: the embedded Postgres and Temporal, by the functions of `kb up`, on the loopback of the node.

The pods of a test are all on one node, and in its network: so they reach these servers in any cluster, with nothing that listens to
the outside. Ports that nobody on the node uses are chosen for the other pods as well. What they need to know is in one file.
"""

import json
import signal
import sys
from pathlib import Path

from kb_platform.local import ports, programs, review_service
from kb_platform.local.environment import ensure_database, gate_keys
from kb_platform.local.places import make_home
from kb_platform.settings import Settings

PORTS = ("code", "pages", "worker-health", "worker-metrics", "gateway", "gateway-health", "search-api", "search-api-health")


def main() -> None:
    settings = Settings()
    make_home(settings.home)
    known: dict[str, object] = {"database": ensure_database(settings, print), "ports": {name: ports.choose(settings.home / name) for name in PORTS}}
    known["gate_keys"] = gate_keys(settings)
    if "temporal" in sys.argv[1:]:
        reviews = review_service.prepare(settings)
        assert reviews is not None, review_service.missing()
        server = review_service.temporal(reviews)
        programs.ensure(settings.home, server, print)
        programs.wait(settings.home, server, print, 180)
        known |= {"temporal": reviews.address, "review_keys": reviews.secrets["review_key"], "audit_key": reviews.secrets["audit_key"]}
    draft = Path("/srv/kb/known.new")
    draft.write_text(json.dumps(known))
    draft.rename("/srv/kb/known.json")
    signal.sigwait({signal.SIGTERM})


if __name__ == "__main__":
    main()
