"""What people do today, kept as plain as it is found: sign, POST, sleep, next; of the answer only the code is looked at.

The other side of the comparison in `scale.py`. Not a part of the project, and not an example of how to do it.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime

import requests

from deepcoin_ops.domain.paper_credentials import paper_credentials
from deepcoin_ops.exchange.signing import format_timestamp, sign

PATH = "/deepcoin/trade/batch-close-position"


def main() -> None:
    """Close every instrument named on the command line, after the exchange's URL, the account and the seconds to sleep."""
    url, account, pause_s, *instrument_ids = sys.argv[1:]
    credentials = paper_credentials(account)
    for instrument_id in instrument_ids:
        body = json.dumps({"productGroup": "SwapU", "instId": instrument_id})
        timestamp = format_timestamp(datetime.now(UTC))
        headers = {
            "DC-ACCESS-KEY": credentials.api_key,
            "DC-ACCESS-SIGN": sign(credentials.secret_key, timestamp, "POST", PATH, body),
            "DC-ACCESS-TIMESTAMP": timestamp,
            "DC-ACCESS-PASSPHRASE": credentials.passphrase,
            "Content-Type": "application/json",
        }
        answer = requests.post(url + PATH, data=body, headers=headers, timeout=10)
        sys.stdout.write(f"{instrument_id}: {answer.json()['code']}\n")
        time.sleep(float(pause_s))
