"""The one logger and the one set of metrics. Ids only: never a name, a face, a token or a coordinate.

Traces are the platform's own (`TracingConfig: Active`): the X-Ray SDK that the Powertools tracer needs
is in maintenance and would cost every cold start its import.
"""

import os
from collections.abc import Mapping

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

__all__ = ["MetricUnit", "count_by", "logger", "metrics"]

_SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME", "jikimi")
_NAMESPACE = os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Jikimi")

logger = Logger(service=_SERVICE)
metrics = Metrics(service=_SERVICE, namespace=_NAMESPACE)


def count_by(name: str, dimension: str, counts: Mapping[str, int]) -> None:
    """One count per value of a dimension (`SightingsDropped` by `reason`); nothing for zeros."""
    for value, count in counts.items():
        if count:
            with single_metric(name=name, unit=MetricUnit.Count, value=count, namespace=_NAMESPACE) as metric:
                metric.add_dimension(name=dimension, value=value)
