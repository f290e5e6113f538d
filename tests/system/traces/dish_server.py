"""A gRPC server that speaks a dish's SpaceX.API.Device.Device/Handle, with reflection; made of the fields it needs.

python tests/system/traces/dish_server.py ADDRESS:PORT     prints "ready", then serves until killed
"""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_reflection.v1alpha import reflection

PACKAGE = "SpaceX.API.Device"
SERVICE = f"{PACKAGE}.Device"
GPS_EPOCH_NS = (315964800 - 18) * 10**9
Field = descriptor_pb2.FieldDescriptorProto
FLOAT, INT64, UINT64, BOOL = Field.TYPE_FLOAT, Field.TYPE_INT64, Field.TYPE_UINT64, Field.TYPE_BOOL
CAUSES = {"UNKNOWN": 0, "BOOTING": 1, "NO_SCHEDULE": 4, "NO_DOWNLINK": 6, "NO_PINGS": 7}
MESSAGES = {
    "GetStatusRequest": [],
    "GetHistoryRequest": [],
    "Request": [("get_status", 1004, "GetStatusRequest"), ("get_history", 1007, "GetHistoryRequest")],
    "DishAlerts": [("motors_stuck", 1, BOOL)],
    "DishOutage": [("cause", 1, "DishOutage.Cause"), ("start_timestamp_ns", 2, INT64), ("duration_ns", 3, UINT64)],
    "DishGetStatusResponse": [
        ("pop_ping_drop_rate", 1003, FLOAT),
        ("alerts", 1005, "DishAlerts"),
        ("downlink_throughput_bps", 1007, FLOAT),
        ("uplink_throughput_bps", 1008, FLOAT),
        ("pop_ping_latency_ms", 1009, FLOAT),
        ("outage", 1014, "DishOutage"),
    ],
    "DishGetHistoryResponse": [("current", 1, UINT64)],
    "Response": [
        ("dish_get_status", 2004, "DishGetStatusResponse"),
        ("dish_get_history", 2006, "DishGetHistoryResponse"),
    ],
}  # fmt: skip


def described() -> descriptor_pb2.FileDescriptorProto:
    """Return the protocol's file, as reflection hands it out."""
    file = descriptor_pb2.FileDescriptorProto(name="device.proto", package=PACKAGE, syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        if name == "DishOutage":
            causes = message.enum_type.add(name="Cause")
            for cause, number in CAUSES.items():
                causes.value.add(name=cause, number=number)
        choice = name in ("Request", "Response")
        if choice:
            message.oneof_decl.add(name="content")
        for field_name, number, kind in fields:
            field = message.field.add(name=field_name, number=number, label=Field.LABEL_OPTIONAL)
            if isinstance(kind, str):
                field.type = Field.TYPE_ENUM if kind.endswith("Cause") else Field.TYPE_MESSAGE
                field.type_name = f".{PACKAGE}.{kind}"
            else:
                field.type = kind
            if choice:
                field.oneof_index = 0
    method = file.service.add(name="Device").method.add(name="Handle")
    method.input_type, method.output_type = f".{PACKAGE}.Request", f".{PACKAGE}.Response"
    return file


def serve(address: str) -> grpc.Server:
    """Start the dish: RTT 31.5 ms, a tenth lost, and an outage of 1.5 s that began as it was started."""
    pool = descriptor_pool.DescriptorPool()
    pool.Add(described())
    request, response = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
        for name in ("Request", "Response")
    )
    outage_ns = time.time_ns() - GPS_EPOCH_NS

    def handle(asked, _context):
        answer = response()
        if asked.WhichOneof("content") == "get_status":
            status = answer.dish_get_status
            status.pop_ping_latency_ms, status.pop_ping_drop_rate = 31.5, 0.1
            status.downlink_throughput_bps = 1000
            outage = status.outage
            outage.cause, outage.start_timestamp_ns, outage.duration_ns = 6, outage_ns, 1_500_000_000
        return answer

    server = grpc.server(ThreadPoolExecutor(2))
    handler = grpc.unary_unary_rpc_method_handler(
        handle, request_deserializer=request.FromString, response_serializer=response.SerializeToString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Handle": handler}),))
    reflection.enable_server_reflection((SERVICE, reflection.SERVICE_NAME), server, pool=pool)
    server.add_insecure_port(address)
    server.start()
    return server


if __name__ == "__main__":
    running = serve(sys.argv[1])
    print("ready", flush=True)
    threading.Event().wait()
