"""Drives an API server with the Python client; prints a line for each thing that worked."""

import sys
import threading

from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.rest import ApiException

NAMESPACE = "default"


def refused(code, call, *arguments, **named):
    """The call must be refused with this HTTP code."""
    try:
        call(*arguments, **named)
    except ApiException as error:
        assert error.status == code, error
        return
    raise AssertionError(f"expected {code}")


def objects(core):
    body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="one"), data={"a": "1"})
    created = core.create_namespaced_config_map(NAMESPACE, body)
    created.data = {"a": "2"}
    core.replace_namespaced_config_map("one", NAMESPACE, created)
    refused(409, core.replace_namespaced_config_map, "one", NAMESPACE, created)
    patched = core.patch_namespaced_config_map("one", NAMESPACE, {"data": {"b": "3"}})
    assert patched.data == {"a": "2", "b": "3"}, patched.data
    core.delete_namespaced_config_map("one", NAMESPACE)
    refused(404, core.read_namespaced_config_map, "one", NAMESPACE)


def watches(core):
    start = core.list_namespaced_config_map(NAMESPACE).metadata.resource_version
    body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="seen"))
    timer = threading.Timer(0.1, core.create_namespaced_config_map, (NAMESPACE, body))
    timer.start()
    stream = watch.Watch()
    for event in stream.stream(core.list_namespaced_config_map, NAMESPACE, resource_version=start, timeout_seconds=20):
        assert (event["type"], event["object"].metadata.name) == ("ADDED", "seen"), event
        stream.stop()
    timer.join()


def manifests(api):
    utils.create_from_dict(
        api,
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": NAMESPACE},
            "spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]},
        },
    )
    service = client.CoreV1Api(api).read_namespaced_service("web", NAMESPACE)
    assert service.spec.cluster_ip.startswith("10.96."), service.spec


def custom(api):
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"masts": {"type": "integer", "default": 1}}}}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "boats.sea.example.com"},
        "spec": {
            "group": "sea.example.com",
            "scope": "Namespaced",
            "names": {"plural": "boats", "kind": "Boat"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    client.ApiextensionsV1Api(api).create_custom_resource_definition(definition)
    boat = {"apiVersion": "sea.example.com/v1", "kind": "Boat", "metadata": {"name": "sampan"}, "spec": {}}
    place = ("sea.example.com", "v1", NAMESPACE, "boats")
    made = client.CustomObjectsApi(api).create_namespaced_custom_object(*place, boat)
    assert made["spec"] == {"masts": 1}, made
    boats = dynamic.DynamicClient(api).resources.get(api_version="sea.example.com/v1", kind="Boat")
    boat["spec"] = {"masts": 3}
    applied = boats.server_side_apply(body=boat, namespace=NAMESPACE, field_manager="me", force_conflicts=True)
    assert applied.spec.masts == 3, applied


def main():
    config.load_kube_config(sys.argv[1])
    api = client.ApiClient()
    core = client.CoreV1Api(api)
    for name, run, argument in [
        ("objects", objects, core),
        ("watches", watches, core),
        ("manifests", manifests, api),
        ("custom resources", custom, api),
    ]:
        run(argument)
        print("ok", name, flush=True)


main()
