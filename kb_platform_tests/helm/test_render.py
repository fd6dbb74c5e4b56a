"""The chart, rendered as an installation would: Kubernetes takes what comes out, and values do what they say."""

import json
from typing import Any

import kubernetes_validate
import pytest
import yaml
from helm_python import lint

from kb_platform.settings import Settings
from kb_platform.storage.locks import PATIENCE
from kb_platform_tests.helm.charts import ALL_OFF, ALL_ON, CHART, ON_HOST, VALUES, environment, objects, one, pod_specs, texts

VERSIONS = ("1.29", "1.37")
CUSTOM = {"ServiceMonitor", "ExternalSecret", "Cluster"}  # of operators, whose schemas Kubernetes does not have


@pytest.mark.parametrize("name", VALUES)
def test_helm_has_nothing_to_say_but_that_there_is_no_icon(name: str) -> None:
    report = lint(CHART, VALUES[name], strict=True)
    assert [m["error"] for m in report["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_field(name: str, version: str) -> None:
    for found in objects(VALUES[name]):
        if found["kind"] not in CUSTOM:
            kubernetes_validate.validate(found, version, strict=True)


def test_a_field_that_kubernetes_does_not_know_is_found() -> None:
    values = {"worker": {"affinity": {"nodeAfinity": {}}}}
    with pytest.raises(kubernetes_validate.ValidationError, match="nodeAfinity"):
        for found in objects(values):
            kubernetes_validate.validate(found, VERSIONS[-1], strict=True)


def test_names_are_told_apart_and_short_enough() -> None:
    for values in VALUES.values():
        found = [(o["kind"], o["metadata"]["name"]) for o in objects({**values, "fullnameOverride": "a" * 63})]
        assert len(found) == len(set(found))
        assert max((len(name) for _, name in found), default=0) <= 63


def test_everything_off_leaves_nothing() -> None:
    assert objects(ALL_OFF) == []


def test_everything_on_is_there() -> None:
    kinds = {o["kind"] for o in objects(ALL_ON)}
    assert kinds >= {
        "Deployment", "Service", "Ingress", "Job", "ConfigMap", "PersistentVolumeClaim", "ServiceAccount", "Role", "RoleBinding", "ResourceQuota",
        "PriorityClass", "NetworkPolicy", "PodDisruptionBudget", "ServiceMonitor", "ExternalSecret", "Cluster", "Pod",
    }


def test_one_number_is_the_gpus_request_and_limit_and_the_quota_counts_the_same_resource() -> None:
    found = objects(ALL_ON)
    compute = yaml.safe_load(one(found, "ConfigMap", "-compute")["data"]["compute.yaml"])
    assert compute["gpu"] == {"count": 2, "resource": "nvidia.com/mig-1g.10gb"}
    assert compute["node_selector"] == {"nvidia.com/gpu.present": "true"}
    assert one(found, "ResourceQuota", "-gpu")["spec"]["hard"] == {"requests.nvidia.com/mig-1g.10gb": "8"}
    priority = one(found, "PriorityClass", "-gpu")
    assert priority["preemptionPolicy"] == "Never"
    assert compute["priority_class"] == priority["metadata"]["name"]


def test_the_gpu_window_is_one_that_the_platform_reads() -> None:
    code = environment(one(objects(ALL_ON), "Deployment", "-code")["spec"]["template"]["spec"]["containers"][0])
    names = {"gpu_hours": "KB_GPU_HOURS", "gpu_timezone": "KB_GPU_TIMEZONE", "gpu_country": "KB_GPU_COUNTRY", "gpu_slots": "KB_GPU_SLOTS"}
    settings = Settings.model_validate({name: code[variable] for name, variable in names.items()})
    assert (settings.gpu_slots, len(settings.gpu_window)) == (4, 1)


def test_what_compute_says_wins_over_what_gpu_says() -> None:
    own = {"priority_class": "ours", "image": "mine:1", "run_pods": {"memory": "4Gi"}}
    values = {"runs": {"steps": "kubernetes"}, "gpu": {"enabled": True}, "compute": own}
    compute = yaml.safe_load(one(objects(values), "ConfigMap", "-compute")["data"]["compute.yaml"])
    assert (compute["priority_class"], compute["image"], compute["gpu"]["count"]) == ("ours", "mine:1", 1)
    assert compute["run_pods"] == {"cpu": "1", "memory": "4Gi", "service_account": "kb-kb-platform-run", "ttl_seconds": 86400}


def test_no_gpu_asked_for_by_compute_is_none() -> None:
    values = {"runs": {"steps": "kubernetes"}, "gpu": {"enabled": True}, "compute": {"gpu": {"count": 0}}}
    compute = yaml.safe_load(one(objects(values), "ConfigMap", "-compute")["data"]["compute.yaml"])
    assert compute["gpu"] == {"count": 0, "resource": "nvidia.com/gpu"}


@pytest.mark.parametrize(("quota", "count", "slots", "pods"), [(2, 1, 2, 1), (16, 1, 2, 8), (9, 2, 2, 2), (4, 4, 2, 1)])
def test_runs_start_no_more_gpu_pods_than_the_quota_takes(quota: int, count: int, slots: int, pods: int) -> None:
    gpu = {"enabled": True, "quota": quota, "count": count, "window": {"slots": slots}}
    values = {"runs": {"steps": "kubernetes"}, "gpu": gpu}
    assert yaml.safe_load(one(objects(values), "ConfigMap", "-compute")["data"]["compute.yaml"])["max_parallel"] == pods


def test_steps_in_pods_ask_for_no_gpu_where_none_is_switched_on() -> None:
    compute = yaml.safe_load(one(objects({"runs": {"steps": "kubernetes"}}), "ConfigMap", "-compute")["data"]["compute.yaml"])
    assert compute["gpu"]["count"] == 0
    assert "priority_class" not in compute


def test_reviews_that_began_on_an_earlier_build_keep_a_worker_of_it() -> None:
    found = objects(ALL_ON)
    present, earlier = one(found, "Deployment", "-review-worker"), one(found, "Deployment", "-review-worker-v0-0-9")
    images = [d["spec"]["template"]["spec"]["containers"][0]["image"] for d in (present, earlier)]
    assert images == [f"registry.example.org/kb/kb-review-worker@sha256:{'2' * 64}", "registry.example.org/kb/kb-review-worker:0.0.9"]
    makes_current = [environment(d["spec"]["template"]["spec"]["containers"][0])["KB_REVIEW_MAKE_CURRENT"] for d in (present, earlier)]
    assert makes_current == ["true", "false"]
    assert present["spec"]["selector"] != earlier["spec"]["selector"]
    mine = {"worker": {"image": {"repository": "mine", "tag": "2"}, "earlier": [{"name": "v1", "image": {"tag": "1"}}]}}
    assert one(objects(mine), "Deployment", "-v1")["spec"]["template"]["spec"]["containers"][0]["image"] == "mine:1"


def test_without_an_identity_provider_the_gateway_stays_on_loopback() -> None:
    found = objects({"gateway": {"replicas": 5}})
    gateway = one(found, "Deployment", "-review-gateway")
    assert gateway["spec"]["replicas"] == 1
    assert one(objects({"gateway": {"replicas": 0}}), "Deployment", "-review-gateway")["spec"]["replicas"] == 0
    variables = environment(gateway["spec"]["template"]["spec"]["containers"][0])
    assert variables["KB_REVIEW_GATEWAY_HOST"] == "127.0.0.1"
    assert [p["name"] for p in one(found, "Service", "-review-gateway")["spec"]["ports"]] == ["monitor"]
    policy = one(found, "NetworkPolicy", "-review-gateway")
    assert [p["port"] for rule in policy["spec"]["ingress"] for p in rule["ports"]] == [9466]


def test_the_search_api_asks_for_keys_and_is_given_no_secret_but_the_database() -> None:
    assert not [o for o in objects({}) if o["metadata"]["name"].endswith("-search-api")]
    found = objects(ALL_ON)
    api = one(found, "Deployment", "-search-api")["spec"]["template"]["spec"]["containers"][0]
    variables = environment(api)
    assert (variables["KB_SERVE_HOST"], variables["KB_SERVE_OPEN"], variables["KB_SERVE_RATE"]) == ("0.0.0.0", "false", "50")
    assert [name for name, value in variables.items() if isinstance(value, dict)] == ["KB_DATABASE_URL"]
    code = one(found, "Deployment", "-code")["spec"]["template"]["spec"]
    assert api["envFrom"] == [{"configMapRef": {"name": "limits"}}]  # its own, and not the platform's, which may hold anything
    platforms = {m["mountPath"] for m in code["containers"][0]["volumeMounts"]}
    assert {m["mountPath"] for m in api["volumeMounts"]} - platforms == {"/etc/ssl/more"}
    assert "/documents" in {m["mountPath"] for m in api["volumeMounts"]}
    assert "/etc/kb/compute" not in {m["mountPath"] for m in api["volumeMounts"]}
    rules = one(found, "NetworkPolicy", "-search-api")["spec"]["ingress"]
    assert [(r["ports"][0]["port"], r["from"]) for r in rules] == [
        (8780, [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "apps"}}}]), (9467, [{"namespaceSelector": {}}])]
    names = {name.removeprefix("KB_").lower() for name in variables if name.startswith("KB_")}
    assert names <= Settings.model_fields.keys()
    on_host = one(objects({**ON_HOST, "serving": {"enabled": True}}), "Deployment", "-search-api")["spec"]["template"]["spec"]["containers"][0]
    assert (environment(on_host)["KB_SERVE_HOST"], environment(on_host)["KB_SERVE_OPEN"]) == ("127.0.0.1", "false")
    behind = {"serving": {"enabled": True, "listen": "127.0.0.1", "extraContainers": ALL_ON["serving"]["extraContainers"]}}
    assert environment(one(objects(behind), "Deployment", "-search-api")["spec"]["template"]["spec"]["containers"][0])["KB_SERVE_HOST"] == "127.0.0.1"


def test_in_the_nodes_network_nothing_listens_beyond_loopback_unless_told() -> None:
    found = objects(ON_HOST)
    for name, spec in pod_specs(found).items():
        assert spec["hostNetwork"], name
    code = one(found, "Deployment", "-code")["spec"]["template"]["spec"]["containers"][0]
    assert code["args"][code["args"].index("--host") + 1] == "127.0.0.1"
    for part in ("-review-worker", "-review-gateway"):
        container = one(found, "Deployment", part)["spec"]["template"]["spec"]["containers"][0]
        assert environment(container)["KB_REVIEW_MONITOR_HOST"] == "127.0.0.1"
        assert container["readinessProbe"]["httpGet"]["host"] == "127.0.0.1"
    elsewhere = {**ON_HOST, "monitoring": {"listen": "10.0.0.1"}, "codeLocation": {"listen": "10.0.0.2"}}
    probed = {o["metadata"]["name"]: o["spec"]["template"]["spec"]["containers"][0] for o in objects(elsewhere) if o["kind"] == "Deployment"}
    assert probed["kb-kb-platform-review-worker"]["livenessProbe"]["httpGet"]["host"] == "10.0.0.1"
    assert probed["kb-kb-platform-code"]["readinessProbe"]["tcpSocket"]["host"] == "10.0.0.2"
    assert "10.0.0.2" in probed["kb-kb-platform-code"]["startupProbe"]["exec"]["command"]
    told = one(objects({**ON_HOST, "codeLocation": {"listen": "0.0.0.0"}}), "Deployment", "-code")
    assert "0.0.0.0" in told["spec"]["template"]["spec"]["containers"][0]["args"]


def test_in_the_nodes_network_a_pod_leaves_its_ports_before_the_next_one_comes() -> None:
    for found, strategy in ((objects(ON_HOST), {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}), (objects({}), None)):
        assert [o["spec"].get("strategy") for o in found if o["kind"] == "Deployment"] == [strategy] * 3


def test_the_ingress_is_for_the_host_of_the_gateways_address_without_its_port() -> None:
    gateway = {"url": "https://review.example.org:8443", "oidc": {"issuer": "https://id.example.org", "clientId": "kb"}}
    ingress = one(objects({"gateway": {**gateway, "ingress": {"enabled": True, "tlsSecret": "tls"}}}), "Ingress", "-review-gateway")
    assert ingress["spec"]["rules"][0]["host"] == "review.example.org"
    assert ingress["spec"]["tls"][0]["hosts"] == ["review.example.org"]


def test_the_search_apis_ingress_leads_to_its_questions_and_not_to_its_metrics() -> None:
    found = objects(ALL_ON)
    (rule,) = one(found, "Ingress", "-search-api")["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    service = one(found, "Service", path["backend"]["service"]["name"])
    (port,) = [port for port in service["spec"]["ports"] if port["name"] == path["backend"]["service"]["port"]["name"]]
    assert (rule["host"], service["metadata"]["name"], port["targetPort"]) == ("kb.example.org", "kb-kb-platform-search-api", "http")
    assert not [o for o in objects({"serving": {"enabled": True}}) if o["kind"] == "Ingress"]


def test_a_pods_own_label_wins_over_a_common_one() -> None:
    found = texts({"commonLabels": {"team": "all"}, "worker": {"podLabels": {"team": "reviews"}}})
    manifest = next(text for path, text in found.items() if path.endswith("review-worker.yaml"))
    deployment = next(o for o in yaml.safe_load_all(manifest) if o and o["kind"] == "Deployment")
    assert deployment["spec"]["template"]["metadata"]["labels"]["team"] == "reviews"
    assert manifest.count("team:") == 3  # of the Deployment, its pods and the Service: never twice in one place


def test_external_secrets_make_every_secret_that_pods_name() -> None:
    external = {"enabled": True, "store": {"name": "vault"}, "platformKey": "p", "reviewKey": "r"}
    found = objects({"externalSecrets": external, "database": {"existingSecret": "db"}, "gateway": {"existingSecret": "gw"},
                     "worker": {"earlier": [{"name": "v1", "image": {"tag": "1"}, "existingSecret": "old"}]}})
    made = {o["metadata"]["name"]: o["spec"]["dataFrom"][0]["extract"]["key"] for o in found if o["kind"] == "ExternalSecret"}
    assert made == {"db": "p", "kb-platform": "p", "kb-review": "r", "gw": "r", "old": "r"}
    named = {variable["valueFrom"]["secretKeyRef"]["name"] for spec in pod_specs(found).values() for container in spec["containers"]
             for variable in container.get("env", ()) if "valueFrom" in variable}
    assert named == set(made)


def test_runs_get_what_the_code_location_has() -> None:
    code = one(objects(ALL_ON), "Deployment", "-code")["spec"]["template"]["spec"]
    variables = environment(code["containers"][0])
    context = json.loads(variables["DAGSTER_CONTAINER_CONTEXT"])["k8s"]
    run = context["run_k8s_config"]
    given = {variable["name"]: variable.get("value", variable.get("valueFrom")) for variable in run["container_config"]["env"]}
    own = {"DAGSTER_CONTAINER_IMAGE", "DAGSTER_CONTAINER_CONTEXT", "DAGSTER_PG_PASSWORD", "DAGSTER_GRPC_MAX_WORKERS"}
    assert given == {name: value for name, value in variables.items() if name not in own} | {"OMP_NUM_THREADS": "4"}
    assert {m["name"] for m in run["container_config"]["volume_mounts"]} == {v["name"] for v in run["pod_spec_config"]["volumes"]}
    assert context["service_account_name"] == "kb-kb-platform-run"
    labels = run["pod_template_spec_metadata"]["labels"]
    policy = one(objects(ALL_ON), "NetworkPolicy", "-default-deny")
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()


def test_who_decides_in_a_pod_is_told_where_the_gateway_is() -> None:
    code = [environment(one(objects(values), "Deployment", "-code")["spec"]["template"]["spec"]["containers"][0]) for values in ({}, ALL_ON)]
    assert [variables.get("KB_REVIEW_GATEWAY_URL") for variables in code] == [None, "https://review.example.org"]


def test_migrations_run_before_all_else_unless_the_release_brings_the_database_itself() -> None:
    hooks = [one(objects(values), "Job", "-migrations")["metadata"]["annotations"]["helm.sh/hook"] for values in ({}, ALL_ON)]
    assert hooks == ["pre-install,pre-upgrade", "post-install,pre-upgrade"]


def test_a_migration_has_the_time_to_say_that_it_has_waited_too_long() -> None:
    waits = int(PATIENCE.removesuffix("min")) * 60
    assert one(objects({}), "Job", "-migrations")["spec"]["activeDeadlineSeconds"] >= 2 * waits


@pytest.mark.parametrize(("values", "secret"), [
    ({}, "kb-review"),
    ({"worker": {"enabled": False}, "gateway": {"existingSecret": "kb-gateway"}}, "kb-gateway"),
    ({"worker": {"enabled": False}, "gateway": {"enabled": False}}, None),
])
def test_the_reviews_schema_is_migrated_where_the_release_has_reviews(values: dict[str, Any], secret: str | None) -> None:
    container = one(objects(values), "Job", "-migrations")["spec"]["template"]["spec"]["containers"][0]
    url = environment(container).get("KB_REVIEW_DATABASE_URL")
    assert url == (secret and {"secretKeyRef": {"name": secret, "key": "database-url"}})
    assert container["args"] == ["kb", "migrate", "--json", *([] if secret else ["--no-reviews"])]


def test_what_the_migrations_mount_is_there_before_them() -> None:
    found = objects(ALL_ON)
    job = one(found, "Job", "-migrations")
    volumes = {v["name"]: v for v in job["spec"]["template"]["spec"]["volumes"]}
    definitions = one(found, "ConfigMap", "-migrations")
    assert volumes["knowledge-bases"]["configMap"]["name"] == definitions["metadata"]["name"]
    annotations = [o["metadata"]["annotations"] for o in (definitions, job)]
    assert annotations[0]["helm.sh/hook"] == annotations[1]["helm.sh/hook"]
    assert int(annotations[0]["helm.sh/hook-weight"]) < int(annotations[1]["helm.sh/hook-weight"])
    assert "serviceAccountName" not in job["spec"]["template"]["spec"]  # it would not be there yet


def test_a_knowledge_base_in_the_values_is_mounted_as_its_folder() -> None:
    found = objects(ALL_ON)
    data = one(found, "ConfigMap", "-knowledge-bases")["data"]
    code = one(found, "Deployment", "-code")["spec"]["template"]["spec"]
    (volume,) = [v for v in code["volumes"] if v["name"] == "knowledge-bases"]
    assert {item["path"]: data[item["key"]] for item in volume["configMap"]["items"]} == {
        f"handbook/{path}": content for path, content in ALL_ON["knowledgeBases"]["inline"]["handbook"].items()
    }


@pytest.mark.parametrize("content", ["  a: 1\n  b: 2\n", "a: 1", "a: 1\n\n\n", "\ta\r\n b\n", ""])
def test_a_file_in_the_values_arrives_as_it_was_written(content: str) -> None:
    found = objects({"knowledgeBases": {"inline": {"handbook": {"defs.yaml": content}}}})
    for name in ("-knowledge-bases", "-migrations"):
        assert one(found, "ConfigMap", name)["data"] == {"handbook..defs.yaml": content}


def test_a_change_of_a_definition_starts_the_code_location_anew() -> None:
    def started_with(text: str) -> dict[str, str]:
        values = {"knowledgeBases": {"inline": {"handbook": {"defs.yaml": text}}}}
        return one(objects(values), "Deployment", "-code")["spec"]["template"]["metadata"]["annotations"]

    assert started_with("a: 1") == started_with("a: 1")
    assert started_with("a: 1") != started_with("a: 2")


def test_the_notes_say_what_is_needed_and_how_to_look() -> None:
    notes = {name: texts(values)["kb-platform/templates/NOTES.txt"] for name, values in VALUES.items()}
    assert "port-forward deploy/kb-kb-platform-review-gateway 8790" in notes["defaults"]
    assert "Secret kb-platform: database-url\n                 Secret kb-platform: gate-keys\n                 Secret kb-review: database-url, keys" in notes["defaults"]
    assert "Search API" not in notes["defaults"]
    assert "kb-kb-platform-search-api:80" in notes["everything"]
    assert "                 From outside of the cluster: https://kb.example.org\n" in notes["everything"]
    bare = {"serving": {"enabled": True, "ingress": {"enabled": True, "host": "kb.example.org"}}}
    clear = ["keys and answers come in the clear" in said for said in (texts(bare)["kb-platform/templates/NOTES.txt"], notes["everything"])]
    assert clear == [True, False]
    own = {"postgresCluster": {"enabled": True, "image": "postgres:1"}, "gateway": {"existingSecret": "kb-gateway"}}
    assert "Secret kb-review: keys\n                 Secret kb-gateway: keys\n" in texts(own)["kb-platform/templates/NOTES.txt"]
    assert "https://review.example.org" in notes["everything"]
    assert "8 in the namespace" in notes["everything"]
    assert "NetworkPolicies do not hold" in notes["host_network"]
    for text in notes.values():
        assert "helm test kb --namespace clinic" in text
