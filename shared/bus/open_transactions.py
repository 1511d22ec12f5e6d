"""Whose transaction holds records back: Kafka's own lists of transactions and of the producers of a partition.

Formats, which aiokafka does not have: ListTransactionsRequest.json (api 66), DescribeProducersRequest.json (61) in
https://github.com/apache/kafka/tree/4.3.1/clients/src/main/resources/common/message
"""

from __future__ import annotations

from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

NO_TRANSACTION = -1
"""The start offset of a producer without an open transaction."""


class TransactionsResponse(Response):  # type: ignore[misc]  # aiokafka is not typed
    API_KEY, API_VERSION, FLEXIBLE_VERSION = 66, 0, True
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("unknown_state_filters", CompactArray(CompactString("utf-8"))),
        (
            "transactions",
            CompactArray(
                ("transactional_id", CompactString("utf-8")),
                ("producer_id", Int64),
                ("state", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class TransactionsStruct(RequestStruct):  # type: ignore[misc]
    API_KEY, API_VERSION, FLEXIBLE_VERSION, RESPONSE_TYPE = 66, 0, True, TransactionsResponse
    SCHEMA = Schema(
        ("state_filters", CompactArray(CompactString("utf-8"))),
        ("producer_id_filters", CompactArray(Int64)),
        ("tags", TaggedFields),
    )


class ListTransactions(Request[TransactionsStruct]):  # type: ignore[misc]
    API_KEY = 66

    def build(self, struct: Any) -> Any:
        return struct([], [], {})


class ProducersResponse(Response):  # type: ignore[misc]
    API_KEY, API_VERSION, FLEXIBLE_VERSION = 61, 0, True
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("name", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition_index", Int32),
                        ("error_code", Int16),
                        ("error_message", CompactString("utf-8")),
                        (
                            "active_producers",
                            CompactArray(
                                ("producer_id", Int64),
                                ("producer_epoch", Int32),
                                ("last_sequence", Int32),
                                ("last_timestamp", Int64),
                                ("coordinator_epoch", Int32),
                                ("current_txn_start_offset", Int64),
                                ("tags", TaggedFields),
                            ),
                        ),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class ProducersStruct(RequestStruct):  # type: ignore[misc]
    API_KEY, API_VERSION, FLEXIBLE_VERSION, RESPONSE_TYPE = 61, 0, True, ProducersResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("name", CompactString("utf-8")),
                ("partition_indexes", CompactArray(Int32)),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class DescribeProducers(Request[ProducersStruct]):  # type: ignore[misc]
    API_KEY = 61

    def __init__(self, partition: TopicPartition) -> None:
        self._partition = partition

    def build(self, struct: Any) -> Any:
        return struct([(self._partition.topic, [self._partition.partition], {})], {})


async def open_transactions(admin: AIOKafkaAdminClient, partition: TopicPartition, leader: int) -> list[str]:
    """The transactional ids, or the producers' ids, of the open transactions in this partition.

    `leader` is the node that leads the partition. Raise what Kafka raises.
    """
    names: dict[int, str] = {}
    for broker in admin._client.cluster.brokers():
        found = await admin._send_request_to_node(broker.nodeId, ListTransactions())
        names |= {producer: name for name, producer, *_ in found.transactions}
    described = await admin._send_request_to_node(leader, DescribeProducers(partition))
    ids = [
        producer
        for _, partitions, *_ in described.topics
        for _, _, _, producers, *_ in partitions
        for producer, _, _, _, _, begin, *_ in producers
        if begin != NO_TRANSACTION
    ]
    return [names.get(id, f"producer {id}") for id in ids]
