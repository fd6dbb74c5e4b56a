"""Values that cannot be meant are refused before anything is sent to a cluster, by a message that names the key."""

from typing import Any

import pytest
from helm_python.errors import HelmRenderError, HelmValuesError

from kb_platform_tests.helm.charts import ON_HOST, objects

OIDC = {"issuer": "https://id.example.org", "clientId": "kb-review"}
WRONG = [
    ({"wokrer": {}}, "additional properties 'wokrer' not allowed"),
    ({"worker": {"replcias": 1}}, "at '/worker': additional properties 'replcias' not allowed"),
    ({"worker": {"replicas": "two"}}, "at '/worker/replicas': got string, want integer"),
    ({"worker": {"terminationGracePeriodSeconds": 10}}, "at '/worker/terminationGracePeriodSeconds': minimum: got 10, want 21"),
    ({"worker": {"earlier": [{"name": "v1"}]}}, "at '/worker/earlier/0': missing property 'image'"),
    ({"runs": {"steps": "k8s"}}, "at '/runs/steps': value must be one of 'in_process', 'kubernetes'"),
    ({"runs": {"ttlSecondsAfterFinished": 60}}, "at '/runs/ttlSecondsAfterFinished': minimum: got 60, want 3,600"),
    ({"runs": {"resources": {"limits": {"cpu": 1}}}}, "at '/runs/resources/limits/cpu': got number, want string"),
    ({"gateway": {"resources": {"limits": {"memory": "512 MB"}}}}, "at '/gateway/resources/limits/memory': '512 MB' does not match"),
    ({"gpu": {"count": 0}}, "at '/gpu/count': minimum: got 0, want 1"),
    ({"gpu": {"count": "1"}}, "at '/gpu/count': got string, want integer"),
    ({"gpu": {"resource": "gpu"}}, "at '/gpu/resource': 'gpu' does not match"),
    ({"images": {"worker": {"digest": "sha256:abc"}}}, "at '/images/worker/digest': 'sha256:abc' does not match"),
    ({"images": {"pullPolicy": "Sometimes"}}, "at '/images/pullPolicy': value must be one of 'IfNotPresent', 'Always', 'Never'"),
    ({"platform": {"extraEnv": [{"name": "A", "value": 1}]}}, "at '/platform/extraEnv/0/value': got number, want string"),
    ({"objectStore": {"url": "bucket"}}, "at '/objectStore/url': 'bucket' does not match"),
    ({"temporal": {"address": "temporal"}}, "at '/temporal/address': 'temporal' does not match"),
    ({"database": {"existingSecret": ""}}, "at '/database/existingSecret': '' does not match"),
    ({"knowledgeBases": {"inline": {"handbook": {"golden.yaml": ""}}}}, "at '/knowledgeBases/inline/handbook': missing property 'defs.yaml'"),
    ({"knowledgeBases": {"inline": {"handbook": {"defs.yaml": "", "../x": ""}}}}, "'../x' does not match"),
    ({"serving": {"ingress": {"host": "https://kb.example.org"}}}, "at '/serving/ingress/host': 'https://kb.example.org' does not match"),
    ({"gateway": {"oidc": {"issuer": "http://id.example.org"}}}, "at '/gateway/oidc/issuer': 'http://id.example.org' does not match"),
]
WRONG_TOGETHER = [
    ({"images": {"worker": {"tag": "latest"}}}, "image kb-review-worker: the tag `latest` says nothing of what runs"),
    ({"gateway": {"oidc": {"issuer": "https://id.example.org"}}}, 'gateway.url is "": with gateway.oidc.issuer, expected the https:// address'),
    ({"gateway": {"oidc": {"issuer": "https://id.example.org"}, "url": "https://review.example.org"}}, "gateway.oidc.clientId is empty"),
    ({"gateway": {"listen": "0.0.0.0"}}, 'gateway.listen is "0.0.0.0": without gateway.oidc.issuer'),
    ({"gateway": {"ingress": {"enabled": True}}}, "gateway.ingress.enabled: expected gateway.oidc.issuer too"),
    ({"gpu": {"enabled": True}}, 'gpu.enabled with runs.steps "in_process"'),
    ({"gpu": {"enabled": True, "count": 4}, "runs": {"steps": "kubernetes"}}, "gpu.quota is 2 and gpu.count is 4: no pod would ever start"),
    ({"knowledgeBases": {"inline": {"a": {"defs.yaml": ""}}, "volume": {"emptyDir": {}}}}, "inline and knowledgeBases.volume are both set"),
    ({"postgresCluster": {"enabled": True}}, "postgresCluster.image is empty: expected an operand image that has pgvector"),
    ({"externalSecrets": {"enabled": True}}, "externalSecrets: expected store.name and platformKey"),
    ({"externalSecrets": {"enabled": True, "store": {"name": "vault"}, "platformKey": "kb"}}, "externalSecrets.reviewKey is empty"),
    ({"worker": {"brief": {"url": "https://models.example.org/v1"}}}, "worker.brief.model is empty"),
    ({"worker": {"earlier": [{"name": "v0-0-9", "image": {"repository": "old"}}]}}, "worker.earlier: v0-0-9 has neither image.tag nor image.digest"),
    ({"worker": {"fhir": {"tokenUrl": "https://ehr.example.org/token"}}}, "worker.fhir.tokenUrl: expected worker.fhir.url"),
    ({"worker": {"earlier": [{"name": "v1", "image": {"tag": tag}} for tag in ("1", "2")]}}, "worker.earlier: v1 is there twice"),
    ({"compute": {"cpu": "8"}}, 'compute with runs.steps "in_process"'),
    ({"runs": {"steps": "kubernetes"}, "serviceAccounts": {"run": {"create": False}}}, "serviceAccounts.run has neither create nor name"),
    ({"monitoring": {"listen": "127.0.0.1"}}, 'monitoring.listen is "127.0.0.1": without hostNetwork'),
    ({"codeLocation": {"listen": "::1"}}, 'codeLocation.listen is "::1": without hostNetwork'),
    ({"serving": {"enabled": True, "ingress": {"enabled": True}}}, "serving.ingress.host is empty"),
    ({**ON_HOST, "serving": {"enabled": True, "ingress": {"enabled": True, "host": "kb.example.org"}}},
     'serving.ingress.enabled with serving.listen "127.0.0.1": no ingress controller reaches loopback; expected an address of the node'),
    ({"gateway": {"listen": "::1", "url": "https://review.example.org", "oidc": OIDC, "ingress": {"enabled": True}}},
     'gateway.ingress.enabled with gateway.listen "::1": no ingress controller reaches loopback; expected an address of the pod'),
    ({"serving": {"enabled": True, "listen": "127.0.0.1"}}, 'serving.listen is "127.0.0.1": without hostNetwork'),
    ({"serving": {"podLabels": {"kb-platform/release": "x"}}}, "serving.podLabels: kb-platform/release is the chart's own"),
    ({"commonLabels": {"app.kubernetes.io/name": "kb"}}, "commonLabels: app.kubernetes.io/name is the chart's own"),
    ({"worker": {"podLabels": {"kb-platform/release": "x"}}}, "worker.podLabels: kb-platform/release is the chart's own"),
    ({"externalSecrets": {"enabled": True, "store": {"name": "vault"}, "platformKey": "kb", "reviewKey": "review"},
      "gateway": {"existingSecret": "kb-platform"}}, "externalSecrets: Secret kb-platform is the platform's and the reviews'"),
]


@pytest.mark.parametrize(("values", "said"), WRONG, ids=lambda v: str(v)[:60])
def test_a_wrong_value_is_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(HelmValuesError) as refused:
        objects(values)
    assert said in str(refused.value)


@pytest.mark.parametrize(("values", "said"), WRONG_TOGETHER, ids=lambda v: str(v)[:60])
def test_values_that_contradict_each_other_are_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(HelmRenderError) as refused:
        objects(values)
    assert said in str(refused.value)
