BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002');
CREATE TABLE close_errors (
	seq INTEGER NOT NULL, 
	item_index INTEGER NOT NULL, 
	instrument_id TEXT NOT NULL, 
	position_side TEXT, 
	error_code TEXT NOT NULL, 
	error_message TEXT NOT NULL, 
	member_id TEXT NOT NULL, 
	exchange_account_id TEXT NOT NULL, 
	trade_unit_id TEXT NOT NULL, 
	raw_json TEXT NOT NULL, 
	PRIMARY KEY (seq, item_index), 
	FOREIGN KEY(seq) REFERENCES close_outcomes (seq)
);
INSERT INTO "close_errors" VALUES(5,0,'BTC-USDT-SWAP','long','51020','Insufficient position','100','200','300','{"errorCode":51020}');
INSERT INTO "close_errors" VALUES(5,1,'BTC-USDT-SWAP',NULL,'51020','Insufficient position','100','200','300','{"errorCode":51020}');
CREATE TABLE close_intents (
	seq INTEGER NOT NULL, 
	attempt_id TEXT NOT NULL, 
	instrument_id TEXT NOT NULL, 
	product_group TEXT NOT NULL, 
	round_number INTEGER NOT NULL, 
	send_number INTEGER NOT NULL, 
	endpoint TEXT NOT NULL, 
	request_body TEXT NOT NULL, 
	quantity_contracts TEXT NOT NULL, 
	notional_usdt TEXT, 
	PRIMARY KEY (seq), 
	FOREIGN KEY(seq) REFERENCES entries (seq), 
	UNIQUE (attempt_id)
);
INSERT INTO "close_intents" VALUES(4,'A1','BTC-USDT-SWAP','SwapU',1,1,'/deepcoin/trade/batch-close-position','{"productGroup":"SwapU","instId":"BTC-USDT-SWAP"}','12.5','765.431250');
INSERT INTO "close_intents" VALUES(10,'A2','BTC-USDT-SWAP','SwapU',1,1,'/deepcoin/trade/batch-close-position','{"productGroup":"SwapU","instId":"BTC-USDT-SWAP"}','12.5','765.431250');
CREATE TABLE close_outcomes (
	seq INTEGER NOT NULL, 
	attempt_id TEXT NOT NULL, 
	outcome TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	sent_at TEXT, 
	answered_at TEXT NOT NULL, 
	refusal TEXT, 
	error_code TEXT, 
	retry_after_s FLOAT, 
	is_throttled INTEGER NOT NULL, 
	notes TEXT NOT NULL, 
	http_status INTEGER, 
	body BLOB, 
	body_length INTEGER, 
	body_sha256 TEXT, 
	is_body_truncated INTEGER, 
	PRIMARY KEY (seq), 
	FOREIGN KEY(seq) REFERENCES entries (seq), 
	UNIQUE (attempt_id), 
	FOREIGN KEY(attempt_id) REFERENCES close_intents (attempt_id)
);
INSERT INTO "close_outcomes" VALUES(5,'A1','PARTIAL','errorList has 2 items','2026-03-01T23:55:02.000000+00:00','2026-03-01T23:55:03.000000+00:00','PARAMETER','0',2.0,0,'["noticed"]',200,X'789CAB564ACE4F4955B2523250AA050018B50386',12,'f2737f5c8e664362e8792eae565ec6e0937113710e96769d6888a542502e967e',0);
CREATE TABLE closed_positions (
	seq INTEGER NOT NULL, 
	item_index INTEGER NOT NULL, 
	instrument_id TEXT NOT NULL, 
	product_group TEXT, 
	position_id TEXT NOT NULL, 
	position_side TEXT, 
	quantity_contracts TEXT, 
	closed_contracts TEXT NOT NULL, 
	average_open_price TEXT, 
	average_close_price TEXT, 
	pnl TEXT, 
	fee TEXT, 
	funding_fee TEXT, 
	currency TEXT NOT NULL, 
	margin_mode TEXT NOT NULL, 
	merge_mode TEXT NOT NULL, 
	opened_at TEXT NOT NULL, 
	closed_at TEXT NOT NULL, 
	PRIMARY KEY (seq, item_index), 
	FOREIGN KEY(seq) REFERENCES evidence_reads (seq)
);
INSERT INTO "closed_positions" VALUES(11,0,'BTC-USDT-SWAP','SwapU','1001','long','12.5','11.500','61234.5','61200','-0.39675','-0.35','0.01','USDT','cross','merge','2026-03-01T18:55:00.000000+00:00','2026-03-01T23:55:02.000000+00:00');
INSERT INTO "closed_positions" VALUES(11,1,'BTC-USDT-SWAP','SwapU','1001',NULL,NULL,'11.500','61234.5','61200','-0.39675',NULL,'0.01','USDT','cross','merge','2026-03-01T18:55:00.000000+00:00','2026-03-01T23:55:02.000000+00:00');
CREATE TABLE entries (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	account TEXT NOT NULL, 
	trading_day TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	flatten_id TEXT, 
	recorded_at TEXT NOT NULL, 
	previous_hash TEXT NOT NULL, 
	entry_hash TEXT NOT NULL
);
INSERT INTO "entries" VALUES(1,'main','2026-03-01','flatten','F1','2026-03-01T23:55:02.000000+00:00','0000000000000000000000000000000000000000000000000000000000000000','9360b348ba518e457bcc1501a32a3b88fd28e57b4ae94a7e5e9bac3320c37758');
INSERT INTO "entries" VALUES(2,'main','2026-03-01','position_read','F1','2026-03-01T23:55:03.000000+00:00','9360b348ba518e457bcc1501a32a3b88fd28e57b4ae94a7e5e9bac3320c37758','60621a00c1b58efed23898e664c52e608159711706e4d47d4870a4ceb243ccc7');
INSERT INTO "entries" VALUES(3,'main','2026-03-01','position_read','F1','2026-03-01T23:55:04.000000+00:00','60621a00c1b58efed23898e664c52e608159711706e4d47d4870a4ceb243ccc7','a94c1db26ceaa97a25998fa1ef4a6f5873b53889bf0c8c31fb4aab5a5923058b');
INSERT INTO "entries" VALUES(4,'main','2026-03-01','close_intent','F1','2026-03-01T23:55:05.000000+00:00','a94c1db26ceaa97a25998fa1ef4a6f5873b53889bf0c8c31fb4aab5a5923058b','34ee01b804e146aa8312083d06da282f69260581c8d33cf5fa99c6a5e5fdcd51');
INSERT INTO "entries" VALUES(5,'main','2026-03-01','close_outcome','F1','2026-03-01T23:55:06.000000+00:00','34ee01b804e146aa8312083d06da282f69260581c8d33cf5fa99c6a5e5fdcd51','ab05e8926f3f0628c5d8dd3b0af6835c7d1e7e785e44d30f7069a210a10c15e7');
INSERT INTO "entries" VALUES(6,'main','2026-03-01','verdicts','F1','2026-03-01T23:55:07.000000+00:00','ab05e8926f3f0628c5d8dd3b0af6835c7d1e7e785e44d30f7069a210a10c15e7','398894d8011c38e932f36b45a1fdb17f811069fc0dfcdbb0b5d8b1abf41abfee');
INSERT INTO "entries" VALUES(7,'main','2026-03-01','flatten_closing','F1','2026-03-01T23:55:08.000000+00:00','398894d8011c38e932f36b45a1fdb17f811069fc0dfcdbb0b5d8b1abf41abfee','8e8445b874f2c0366e14213a7365514c902d99699ee4dffbc0b8958b2baaf971');
INSERT INTO "entries" VALUES(8,'main','2026-03-01','skipped_tick',NULL,'2026-03-01T23:55:09.000000+00:00','8e8445b874f2c0366e14213a7365514c902d99699ee4dffbc0b8958b2baaf971','89b9617a2c46bed1909ffd408ebcc0b277d387de8fd35481a10076c15d31aff5');
INSERT INTO "entries" VALUES(9,'main','2026-03-01','flatten','F2','2026-03-01T23:55:10.000000+00:00','89b9617a2c46bed1909ffd408ebcc0b277d387de8fd35481a10076c15d31aff5','8eaf3c3e0b0ace0a54f2d7a55a5f9fdacbf0dc11a90597f8d19530b7c97a0ec4');
INSERT INTO "entries" VALUES(10,'main','2026-03-01','close_intent','F2','2026-03-01T23:55:11.000000+00:00','8eaf3c3e0b0ace0a54f2d7a55a5f9fdacbf0dc11a90597f8d19530b7c97a0ec4','0317f2bf330440b8a02f2e6486929a7a4b4ebec9291042da8297a2b18e0d9864');
INSERT INTO "entries" VALUES(11,'main','2026-03-01','evidence',NULL,'2026-03-01T23:55:12.000000+00:00','0317f2bf330440b8a02f2e6486929a7a4b4ebec9291042da8297a2b18e0d9864','164c72d098a6c0feb5dd1b9edd1317436ec964e37ecdb0939b48eb39d661fb46');
INSERT INTO "entries" VALUES(12,'main','2026-03-01','evidence',NULL,'2026-03-01T23:55:13.000000+00:00','164c72d098a6c0feb5dd1b9edd1317436ec964e37ecdb0939b48eb39d661fb46','e240e6a34e09efdb5d4955b9e416abf574d2e445f692365ce16b5af78a6129c2');
CREATE TABLE evidence_pages (
	seq INTEGER NOT NULL, 
	item_index INTEGER NOT NULL, 
	"query" TEXT NOT NULL, 
	http_status INTEGER, 
	body BLOB, 
	body_length INTEGER, 
	body_sha256 TEXT, 
	is_body_truncated INTEGER, 
	PRIMARY KEY (seq, item_index), 
	FOREIGN KEY(seq) REFERENCES evidence_reads (seq)
);
INSERT INTO "evidence_pages" VALUES(11,0,'limit=100',200,X'789CAB564ACE4F4955B2523250D2514A492C4954B28A8EADAD1E151D151D15A581280092890438',880,'67f64b633b1e21ad7e8a45aae6f45be83ec5036a26796ead80c83f1990eecc4c',0);
INSERT INTO "evidence_pages" VALUES(11,1,'limit=100',200,X'789CAB564ACE4F4955B2523250AA050018B50386',12,'f2737f5c8e664362e8792eae565ec6e0937113710e96769d6888a542502e967e',0);
INSERT INTO "evidence_pages" VALUES(12,0,'limit=100',200,X'789CAB564ACE4F4955B2523250D2514A492C4954B28A8EADAD1E151D151D15A581280092890438',880,'67f64b633b1e21ad7e8a45aae6f45be83ec5036a26796ead80c83f1990eecc4c',0);
INSERT INTO "evidence_pages" VALUES(12,1,'limit=100',200,X'789CAB564ACE4F4955B2523250AA050018B50386',12,'f2737f5c8e664362e8792eae565ec6e0937113710e96769d6888a542502e967e',0);
CREATE TABLE evidence_reads (
	seq INTEGER NOT NULL, 
	source TEXT NOT NULL, 
	instrument_type TEXT NOT NULL, 
	starts_at TEXT NOT NULL, 
	ends_at TEXT NOT NULL, 
	status TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	started_at TEXT NOT NULL, 
	finished_at TEXT NOT NULL, 
	notes TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	FOREIGN KEY(seq) REFERENCES entries (seq)
);
INSERT INTO "evidence_reads" VALUES(11,'POSITIONS_HISTORY','SWAP','2026-02-28T23:55:00.000000+00:00','2026-03-01T23:56:00.000000+00:00','COMPLETE','2 row(s) in 2 page(s)','2026-03-01T23:55:30.000000+00:00','2026-03-01T23:55:33.000000+00:00','["positions history row with unknown field(s): foo"]');
INSERT INTO "evidence_reads" VALUES(12,'FILLS','SWAP','2026-02-28T23:55:00.000000+00:00','2026-03-01T23:56:00.000000+00:00','COMPLETE','2 row(s) in 2 page(s)','2026-03-01T23:55:30.000000+00:00','2026-03-01T23:55:33.000000+00:00','[]');
CREATE TABLE fills (
	seq INTEGER NOT NULL, 
	item_index INTEGER NOT NULL, 
	instrument_id TEXT NOT NULL, 
	product_group TEXT, 
	trade_id TEXT NOT NULL, 
	order_id TEXT NOT NULL, 
	bill_id TEXT NOT NULL, 
	side TEXT NOT NULL, 
	position_side TEXT, 
	price TEXT NOT NULL, 
	quantity_contracts TEXT NOT NULL, 
	execution_type TEXT NOT NULL, 
	fee TEXT, 
	fee_currency TEXT NOT NULL, 
	filled_at TEXT NOT NULL, 
	PRIMARY KEY (seq, item_index), 
	FOREIGN KEY(seq) REFERENCES evidence_reads (seq)
);
INSERT INTO "fills" VALUES(12,0,'BTC-USDT-SWAP','SwapU','T1','O1','B1','sell','long','61200','11.5','T','-0.35','USDT','2026-03-01T23:55:02.000000+00:00');
INSERT INTO "fills" VALUES(12,1,'BTC-USDT-SWAP','SwapU','T1','O1','B1','sell',NULL,'61200','11.5','T',NULL,'USDT','2026-03-01T23:55:02.000000+00:00');
CREATE TABLE flatten_closings (
	seq INTEGER NOT NULL, 
	flatten_id TEXT NOT NULL, 
	result TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	rounds INTEGER NOT NULL, 
	sends INTEGER NOT NULL, 
	refused_sends INTEGER NOT NULL, 
	residual_notional_usdt TEXT, 
	time_to_last_close_s FLOAT, 
	time_to_proven_flat_s FLOAT, 
	exposure_usdt_s TEXT, 
	unconfigured TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	FOREIGN KEY(seq) REFERENCES entries (seq), 
	UNIQUE (flatten_id), 
	FOREIGN KEY(flatten_id) REFERENCES flattens (flatten_id)
);
INSERT INTO "flatten_closings" VALUES(7,'F1','NOT_FLAT','one contract is left',1,1,0,'61.2',3.0,4.25,'2296.29','{"DOGE-USDT-SWAP": "3"}');
CREATE TABLE flattens (
	seq INTEGER NOT NULL, 
	flatten_id TEXT NOT NULL, 
	launched_by TEXT NOT NULL, 
	instruments TEXT NOT NULL, 
	is_dry_run INTEGER NOT NULL, 
	scheduled_at TEXT, 
	run_id TEXT, 
	parent_flatten_id TEXT, 
	settings_json TEXT NOT NULL, 
	tool_version TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	FOREIGN KEY(seq) REFERENCES entries (seq), 
	UNIQUE (flatten_id)
);
INSERT INTO "flattens" VALUES(1,'F1','schedule','["BTC-USDT-SWAP", "ETH-USDT-SWAP"]',0,'2026-03-01T23:55:00.000000+00:00','run-1',NULL,'{"rounds": 10}','0.1.0');
INSERT INTO "flattens" VALUES(9,'F2','schedule','["BTC-USDT-SWAP", "ETH-USDT-SWAP"]',0,'2026-03-01T23:55:00.000000+00:00','run-1','F1','{}','0.1.0');
CREATE TABLE ledger_identity (
	ledger_id TEXT NOT NULL, 
	venue TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	PRIMARY KEY (ledger_id)
);
INSERT INTO "ledger_identity" VALUES('b7b56700619d434f9bf74881ea7411c0','paper','2026-03-01T23:55:01.000000+00:00');
CREATE TABLE position_reads (
	seq INTEGER NOT NULL, 
	purpose TEXT NOT NULL, 
	round_number INTEGER NOT NULL, 
	instrument_type TEXT NOT NULL, 
	started_at TEXT NOT NULL, 
	finished_at TEXT NOT NULL, 
	is_complete INTEGER NOT NULL, 
	failure TEXT, 
	notes TEXT NOT NULL, 
	http_status INTEGER, 
	body BLOB, 
	body_length INTEGER, 
	body_sha256 TEXT, 
	is_body_truncated INTEGER, 
	PRIMARY KEY (seq), 
	FOREIGN KEY(seq) REFERENCES entries (seq)
);
INSERT INTO "position_reads" VALUES(2,'snapshot',0,'SWAP','2026-03-01T23:55:00.000000+00:00','2026-03-01T23:55:01.000000+00:00',1,NULL,'["unknown field: foo"]',200,X'789CAB564ACE4F4955B2523250D2514A492C4954B28A8EADAD1E151D151D15A581280092890438',880,'67f64b633b1e21ad7e8a45aae6f45be83ec5036a26796ead80c83f1990eecc4c',0);
INSERT INTO "position_reads" VALUES(3,'round',1,'SPOT','2026-03-01T23:55:00.000000+00:00','2026-03-01T23:55:00.000000+00:00',0,'timed out','[]',200,X'789CAB564ACE4F4955B2523250D2514A492C4954B28A8EADAD1E151D151D15A581280092890438',880,'67f64b633b1e21ad7e8a45aae6f45be83ec5036a26796ead80c83f1990eecc4c',0);
CREATE TABLE position_rows (
	seq INTEGER NOT NULL, 
	item_index INTEGER NOT NULL, 
	instrument_id TEXT NOT NULL, 
	product_group TEXT, 
	position_id TEXT NOT NULL, 
	position_side TEXT, 
	quantity_contracts TEXT NOT NULL, 
	margin_mode TEXT NOT NULL, 
	merge_mode TEXT NOT NULL, 
	average_price TEXT, 
	margin_currency TEXT NOT NULL, 
	is_leading INTEGER, 
	is_following INTEGER, 
	PRIMARY KEY (seq, item_index), 
	FOREIGN KEY(seq) REFERENCES position_reads (seq)
);
INSERT INTO "position_rows" VALUES(2,0,'BTC-USDT-SWAP','SwapU','1001','long','12.500','cross','merge','61234.5','USDT',0,NULL);
INSERT INTO "position_rows" VALUES(2,1,'BTC-USDT-SWAP','SwapU','1002','long','12.500','cross','merge',NULL,'USDT',0,NULL);
CREATE TABLE skipped_ticks (
	seq INTEGER NOT NULL, 
	scheduled_at TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	FOREIGN KEY(seq) REFERENCES entries (seq)
);
INSERT INTO "skipped_ticks" VALUES(8,'2026-03-01T23:55:00.000000+00:00','31 min late');
CREATE TABLE verdicts (
	seq INTEGER NOT NULL, 
	item_index INTEGER NOT NULL, 
	instrument_id TEXT NOT NULL, 
	verdict TEXT NOT NULL, 
	quantity_before_contracts TEXT, 
	notional_before_usdt TEXT, 
	quantity_after_contracts TEXT, 
	notional_after_usdt TEXT, 
	attempts INTEGER NOT NULL, 
	reason TEXT NOT NULL, 
	reopened_position_ids TEXT NOT NULL, 
	PRIMARY KEY (seq, item_index), 
	FOREIGN KEY(seq) REFERENCES entries (seq)
);
INSERT INTO "verdicts" VALUES(6,0,'BTC-USDT-SWAP','RESIDUAL','12.5','765.43','1','61.2',1,'one contract is left','["1002"]');
INSERT INTO "verdicts" VALUES(6,1,'BTC-USDT-SWAP','RESIDUAL','12.5','765.43','1','61.2',1,'one contract is left','["1002"]');
CREATE INDEX entries_by_account ON entries (account, seq);
CREATE INDEX entries_by_trading_day ON entries (trading_day, seq);
CREATE INDEX entries_by_flatten ON entries (flatten_id, seq);
CREATE TRIGGER ledger_identity_no_update BEFORE UPDATE ON ledger_identity BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: UPDATE on ledger_identity'); END;
CREATE TRIGGER ledger_identity_no_delete BEFORE DELETE ON ledger_identity BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: DELETE on ledger_identity'); END;
CREATE TRIGGER entries_no_update BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: UPDATE on entries'); END;
CREATE TRIGGER entries_no_delete BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: DELETE on entries'); END;
CREATE TRIGGER flattens_no_update BEFORE UPDATE ON flattens BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: UPDATE on flattens'); END;
CREATE TRIGGER flattens_no_delete BEFORE DELETE ON flattens BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: DELETE on flattens'); END;
CREATE TRIGGER flatten_closings_no_update BEFORE UPDATE ON flatten_closings BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: UPDATE on flatten_closings'); END;
CREATE TRIGGER flatten_closings_no_delete BEFORE DELETE ON flatten_closings BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: DELETE on flatten_closings'); END;
CREATE TRIGGER skipped_ticks_no_update BEFORE UPDATE ON skipped_ticks BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: UPDATE on skipped_ticks'); END;
CREATE TRIGGER skipped_ticks_no_delete BEFORE DELETE ON skipped_ticks BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: DELETE on skipped_ticks'); END;
CREATE TRIGGER position_reads_no_update BEFORE UPDATE ON position_reads BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: UPDATE on position_reads'); END;
CREATE TRIGGER position_reads_no_delete BEFORE DELETE ON position_reads BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: DELETE on position_reads'); END;
CREATE TRIGGER position_rows_no_update BEFORE UPDATE ON position_rows BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: UPDATE on position_rows'); END;
CREATE TRIGGER position_rows_no_delete BEFORE DELETE ON position_rows BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: DELETE on position_rows'); END;
CREATE TRIGGER close_intents_no_update BEFORE UPDATE ON close_intents BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: UPDATE on close_intents'); END;
CREATE TRIGGER close_intents_no_delete BEFORE DELETE ON close_intents BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: DELETE on close_intents'); END;
CREATE TRIGGER close_outcomes_no_update BEFORE UPDATE ON close_outcomes BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: UPDATE on close_outcomes'); END;
CREATE TRIGGER close_outcomes_no_delete BEFORE DELETE ON close_outcomes BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: DELETE on close_outcomes'); END;
CREATE TRIGGER close_errors_no_update BEFORE UPDATE ON close_errors BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: UPDATE on close_errors'); END;
CREATE TRIGGER close_errors_no_delete BEFORE DELETE ON close_errors BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: DELETE on close_errors'); END;
CREATE TRIGGER verdicts_no_update BEFORE UPDATE ON verdicts BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: UPDATE on verdicts'); END;
CREATE TRIGGER verdicts_no_delete BEFORE DELETE ON verdicts BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: DELETE on verdicts'); END;
CREATE TRIGGER evidence_reads_no_update BEFORE UPDATE ON evidence_reads BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: UPDATE on evidence_reads'); END;
CREATE TRIGGER evidence_reads_no_delete BEFORE DELETE ON evidence_reads BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: DELETE on evidence_reads'); END;
CREATE TRIGGER evidence_pages_no_update BEFORE UPDATE ON evidence_pages BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: UPDATE on evidence_pages'); END;
CREATE TRIGGER evidence_pages_no_delete BEFORE DELETE ON evidence_pages BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: DELETE on evidence_pages'); END;
CREATE TRIGGER closed_positions_no_update BEFORE UPDATE ON closed_positions BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: UPDATE on closed_positions'); END;
CREATE TRIGGER closed_positions_no_delete BEFORE DELETE ON closed_positions BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: DELETE on closed_positions'); END;
CREATE TRIGGER fills_no_update BEFORE UPDATE ON fills BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: UPDATE on fills'); END;
CREATE TRIGGER fills_no_delete BEFORE DELETE ON fills BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: DELETE on fills'); END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('entries',12);
COMMIT;
