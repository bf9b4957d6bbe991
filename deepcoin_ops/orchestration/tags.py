"""The run tags by which people and the queue tell flattens apart. Never proof of anything: a tag can be typed by hand."""

ACCOUNT = "deepcoin_ops/account"
FLATTEN_ID = "deepcoin_ops/flatten_id"
TRADING_DAY = "deepcoin_ops/trading_day"
SCHEDULED_AT = "deepcoin_ops/scheduled_at"
RESULT = "deepcoin_ops/result"
# On runs that only read, with what they read; the queue starts few of a kind at once (dagster.yaml).
READS = "deepcoin_ops/reads"

NO_RESULT_YET = "none yet"
