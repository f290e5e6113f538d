"""Asks a dish as four public clients do, each as its package ships it, and prints what they were told as JSON.

python tests/system/dish/clients.py ADDRESS:PORT
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

os.environ["TEMPORARILY_DISABLE_PROTOBUF_VERSION_CHECK"] = "true"  # starlink-client was compiled years ago

import grpc
import starlink_grpc
from spacex.api.device import device_pb2
from spacex.starlink import StarlinkDish
from starlink_client.grpc_client import GrpcClient
from yagrc.reflector import GrpcReflectionClient


def library(address: str) -> dict[str, Any]:
    """starlink-grpc-core: status, history and location."""
    context = starlink_grpc.ChannelContext(target=address)
    status, obstruction, alerts = starlink_grpc.status_data(context)
    general, bulk = starlink_grpc.history_bulk_data(-1, context=context)
    outages = starlink_grpc.get_history(context).outages
    return {
        "status": status,
        "obstruction": obstruction,
        "alerts": [name for name, raised in alerts.items() if raised],
        "samples": general["samples"],
        "end_counter": general["end_counter"],
        "history": {name: list(values)[-60:] for name, values in bulk.items()},
        "outages": [(o.Cause.Name(o.cause), o.start_timestamp_ns, o.duration_ns) for o in outages],
        "location": starlink_grpc.location_data(context),
        "map": [sorted({*row}) for row in starlink_grpc.obstruction_map(context)],
    }


def reflected(address: str) -> dict[str, Any]:
    """yagrc: whatever the server says it has."""
    with grpc.insecure_channel(address) as channel:
        client = GrpcReflectionClient()
        client.load_protocols(channel)
        request = client.message_class("SpaceX.API.Device.Request")
        stub = client.service_stub_class("SpaceX.API.Device.Device")(channel)
        status = stub.Handle(request(get_status={}), timeout=10).dish_get_status
        causes = client.message_class("SpaceX.API.Device.DishOutage").Cause.keys()
        refused = {}
        for asked in ({"get_location": {}}, {"wifi_get_clients": {}}):
            try:
                stub.Handle(request(**asked), timeout=10)
            except grpc.RpcError as error:
                refused[next(iter(asked))] = error.code().name
        return {"uptime_s": status.device_state.uptime_s, "causes": causes, "refused": refused}


def python_dish(address: str) -> dict[str, Any]:
    """starlink-python: its object of a dish."""
    with StarlinkDish(address) as dish:
        status = dish.status
        return {
            "software": dish.software_version,
            "connected": status.connected,
            "latency_ms": status.ping_latency,
            "drop": status.ping_drop_rate,
        }


def compiled(address: str) -> dict[str, Any]:
    """starlink-client: stubs compiled from a real dish's protocol."""
    answer = GrpcClient(address).call(device_pb2.Request(id=7, get_status={}))
    info = GrpcClient(address).call(device_pb2.Request(get_device_info={})).get_device_info.device_info
    return {"id": answer.id, "uptime_s": answer.dish_get_status.device_state.uptime_s, "dish": info.id}


if __name__ == "__main__":
    told = {ask.__name__: ask(sys.argv[1]) for ask in (library, reflected, python_dish, compiled)}
    print(json.dumps(told, default=list))
