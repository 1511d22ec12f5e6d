"""A row, a record and an object that must outlive what happens to their server."""

from __future__ import annotations

from io import BytesIO
from urllib.parse import urlsplit

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from minio import Minio

from stack import Addresses


async def write_row(where: Addresses) -> None:
    connection = await asyncpg.connect(where.owner)
    await connection.execute("create table note (text text)")
    await connection.execute("insert into note values ('kept')")
    await connection.close()


async def read_rows(where: Addresses) -> list[str]:
    connection = await asyncpg.connect(where.owner)
    rows = await connection.fetch("select text from note")
    await connection.close()
    return [row["text"] for row in rows]


async def write_record(where: Addresses) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=where.kafka)
    await admin.start()
    await admin.create_topics([NewTopic("note", 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=where.kafka, acks="all")
    await producer.start()
    await producer.send_and_wait("note", b"kept")
    await producer.stop()


async def read_record(where: Addresses) -> object:
    consumer = AIOKafkaConsumer("note", bootstrap_servers=where.kafka, auto_offset_reset="earliest")
    await consumer.start()
    record = await consumer.getone()
    await consumer.stop()
    return record.value


def write_object(where: Addresses) -> None:
    client = s3(where)
    client.make_bucket("notes")
    client.put_object("notes", "note", BytesIO(b"kept"), 4)


def read_object(where: Addresses) -> bytes:
    answer = s3(where).get_object("notes", "note")
    with answer:
        return answer.read()


def s3(where: Addresses) -> Minio:
    place = urlsplit(where.s3_endpoint).netloc
    return Minio(place, where.s3_access_key, where.s3_secret_key, secure=False, region="us-east-1")
