"""A store in DynamoDB, a service that others run."""
from __future__ import annotations

import time
from contextlib import suppress

from ..errors import StoreUnavailable
from .store import RecommendationStore, library, reporting

_READS, _WRITES = 100, 25  # the service's limits on a batch
_TRIES = 10
_PAUSE = 0.02  # doubled with each try: ten seconds in all


class DynamoDBStore(RecommendationStore):
    """Recommendations in DynamoDB: a table for the state and one for each generation, which is cheap to drop.

    Parameters
    ----------
    name : str
        What the tables' names begin with.
    timeout : float
        Seconds to wait for the service at a time.
    **client
        For ``boto3.client``: ``region_name``, and ``endpoint_url`` for another service of the same protocol.
    """

    def __init__(self, *, name: str = "recommendations", timeout: float = 5.0, **client):
        super().__init__()
        boto3, config = library("boto3"), library("botocore.config")
        errors = library("botocore.exceptions")
        self._errors, self._name, self._tables = (errors.BotoCoreError, errors.ClientError), name, set()
        limits = config.Config(
            connect_timeout=timeout, read_timeout=timeout, retries={"total_max_attempts": 1}, max_pool_connections=32
        )
        self._client = boto3.client("dynamodb", config=limits, **client)
        self._ensure("state")

    def _reporting(self):
        return reporting("DynamoDB", self._errors, "is it reachable, are region and credentials right?")

    def _ensure(self, suffix) -> str:
        """Name of a table, which is made where it is missing."""
        table = f"{self._name}-{suffix}"
        if table not in self._tables:
            with self._reporting(), suppress(self._client.exceptions.ResourceInUseException):  # it is there
                self._client.create_table(
                    TableName=table, BillingMode="PAY_PER_REQUEST",
                    AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "B"}],
                    KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
                )
            with self._reporting():
                self._client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
            self._tables.add(table)
        return table

    def _batch(self, call, left: str, requests: dict) -> list[dict]:
        """Call until nothing is left unprocessed, a little later each time; the responses."""
        responses = []
        for attempt in range(_TRIES):
            responses.append(call(RequestItems=requests))
            requests = responses[-1].get(left)
            if not requests:
                return responses
            time.sleep(_PAUSE * 2**attempt)
        raise StoreUnavailable(f"DynamoDB left requests unprocessed {_TRIES} times: raise the table's capacity")

    def read(self, generation, keys):
        """See :meth:`RecommendationStore.read`; consistent reads, a hundred at a time, the state last."""
        table, found = f"{self._name}-{generation}", {}
        for start in range(0, len(keys), _READS):
            wanted = [{"key": {"B": key}} for key in keys[start : start + _READS]]
            # A table that is not there was dropped, or never was: the state will tell.
            with self._reporting(), suppress(self._client.exceptions.ResourceNotFoundException):
                requests = {table: {"Keys": wanted, "ConsistentRead": True}}
                for response in self._batch(self._client.batch_get_item, "UnprocessedKeys", requests):
                    items = response["Responses"].get(table, ())
                    found.update((item["key"]["B"], item["value"]["B"]) for item in items)
        with self._reporting():
            state = self._client.get_item(
                TableName=f"{self._name}-state", Key={"key": {"B": b"state"}}, ConsistentRead=True
            ).get("Item")
        return state and state["value"]["B"], [found.get(key) for key in keys]

    def write(self, generation, records):
        """See :meth:`RecommendationStore.write`; twenty-five at a time."""
        table, pairs = self._ensure(generation), list(records.items())
        for start in range(0, len(pairs), _WRITES):
            puts = [
                {"PutRequest": {"Item": {"key": {"B": key}, "value": {"B": value}}}}
                for key, value in pairs[start : start + _WRITES]
            ]
            with self._reporting():
                self._batch(self._client.batch_write_item, "UnprocessedItems", {table: puts})

    def swap(self, old, new):
        """See :meth:`RecommendationStore.swap`; a conditional write."""
        condition = {"ConditionExpression": "attribute_not_exists(#v)", "ExpressionAttributeNames": {"#v": "value"}}
        if old is not None:
            condition["ConditionExpression"] = "#v = :old"
            condition["ExpressionAttributeValues"] = {":old": {"B": old}}
        item = {"key": {"B": b"state"}, "value": {"B": new}}
        with self._reporting(), suppress(self._client.exceptions.ConditionalCheckFailedException):
            self._client.put_item(TableName=f"{self._name}-state", Item=item, **condition)
            return True
        return False

    def drop(self, generation):
        """See :meth:`RecommendationStore.drop`; drops its table."""
        with self._reporting(), suppress(self._client.exceptions.ResourceNotFoundException):
            self._client.delete_table(TableName=f"{self._name}-{generation}")

    def close(self):
        """See :meth:`RecommendationStore.close`."""
        self._client.close()
