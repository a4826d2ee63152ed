"""Numbers for Prometheus beside KServe's own: requests by status, versions."""
import functools

import prometheus_client

REQUESTS = prometheus_client.Counter("requests", "requests by status of HTTP or gRPC",
                                     ["model_name", "status"])


def measure(versions):
    """The newest version of every model, and how many are refused."""
    newest, wrong = (prometheus_client.Gauge(f"model_{name}", help, ["model_name"]) for name, help in (
        ("newest_version", "newest live version"), ("versions_refused", "versions not served")))
    for each in versions:
        newest.labels(each.name).set_function(each.newest)
        wrong.labels(each.name).set_function(functools.partial(_count_refused, each))


def _count_refused(versions):
    return len(versions.refused)
