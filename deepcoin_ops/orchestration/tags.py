"""The run tags by which people and the queue tell flattens apart. Never proof of anything: a tag can be typed by hand."""

ACCOUNT = "deepcoin_ops/account"
FLATTEN_ID = "deepcoin_ops/flatten_id"
TRADING_DAY = "deepcoin_ops/trading_day"
SCHEDULED_AT = "deepcoin_ops/scheduled_at"
RESULT = "deepcoin_ops/result"

NO_RESULT_YET = "none yet"
