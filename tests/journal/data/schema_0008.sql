BEGIN TRANSACTION;
CREATE TABLE acts (
	seq INTEGER NOT NULL, 
	what TEXT NOT NULL, 
	about TEXT NOT NULL, 
	"before" TEXT NOT NULL, 
	"after" TEXT NOT NULL, 
	note TEXT NOT NULL, 
	"by" TEXT NOT NULL, 
	at TEXT NOT NULL, 
	PRIMARY KEY (seq)
);
INSERT INTO "acts" VALUES(1,'cancel','target','buy 0.1 at 24576900','1 cancelled','too near','alice','2015-03-14T12:00:00.123456Z');
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0008');
CREATE TABLE bookings (
	"key" TEXT NOT NULL, 
	at TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	reference TEXT NOT NULL, 
	lines TEXT NOT NULL, 
	terms TEXT NOT NULL, 
	rounding BIGINT NOT NULL, 
	marks TEXT NOT NULL, 
	exposure TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "bookings" VALUES('0000000001','2015-03-14T12:00:00.123456Z','opening','','[[":outside","HUF",-100000000000000001],["target","HUF",100000000000000001]]','{"external flows":400000000000000}',4000000000,'{"HUF":4000000000}','-0.1');
CREATE TABLE checkpoints (
	"key" TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	at TEXT NOT NULL, 
	sums TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "checkpoints" VALUES('ledger',1,'2015-03-14T12:00:00.123456Z','{"balances":[[":outside","HUF",-100000000000000001],["target","HUF",100000000000000001]],"booked":{},"days":{"2015-03-14":[{"external flows":400000000000000},4000000000]},"exposure":"-0.1","marks":{"HUF":4000000000},"opened":"2015-03-14T12:00:00.123456+00:00","since":[{"external flows":400000000000000},4000000000]}');
CREATE TABLE fills (
	venue TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	order_key TEXT NOT NULL, 
	order_id TEXT NOT NULL, 
	purpose TEXT NOT NULL, 
	ticker TEXT NOT NULL, 
	side TEXT NOT NULL, 
	price TEXT NOT NULL, 
	quantity TEXT NOT NULL, 
	cumulative TEXT NOT NULL, 
	fees TEXT NOT NULL, 
	at TEXT NOT NULL, 
	reference_bid TEXT, 
	reference_ask TEXT, rate TEXT, quoted TEXT, raced TEXT, 
	PRIMARY KEY (venue, "key")
);
INSERT INTO "fills" VALUES('target','f1','o1','17','quote','BTC/HUF','SELL','67000','0.1','0.1','{"BTC":"0","HUF":"33.50"}','2015-03-14T12:00:00.123456Z','249.9',NULL,NULL,NULL,NULL);
CREATE TABLE flows (
	"key" TEXT NOT NULL, 
	venue TEXT NOT NULL, 
	asset TEXT NOT NULL, 
	quantity TEXT NOT NULL, 
	at TEXT NOT NULL, 
	reference TEXT NOT NULL, 
	classified TEXT NOT NULL, 
	"by" TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "flows" VALUES('target/deposit/9','target','HUF','-250000','2015-03-14T12:00:00.123456Z','wire 9','','');
CREATE TABLE hedges (
	"key" TEXT NOT NULL, 
	fill_key TEXT NOT NULL, 
	closed_by TEXT NOT NULL, 
	quantity TEXT NOT NULL, 
	edge TEXT, 
	slippage TEXT, 
	at TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "hedges" VALUES('h1','target/f1','source/f2','0.1','-0.25',NULL,'2015-03-14T12:00:00.123456Z');
CREATE TABLE history (
	seq INTEGER NOT NULL, 
	at TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (seq)
);
INSERT INTO "history" VALUES(1,'2015-03-14T12:00:00.123456Z','order','target/o1','{"at":"2015-03-14T12:00:00.123456Z","filled":"0.00000001","key":"o1","note":"edge 0.5, árvíztűrő","order_id":null,"price":"67000.10","purpose":"quote","quantity":"0.10000000","side":"BUY","state":"open","ticker":"BTC/HUF","venue":"target"}');
INSERT INTO "history" VALUES(2,'2015-03-14T12:00:00.123456Z','fill','target/f1','{"at":"2015-03-14T12:00:00.123456Z","cumulative":"0.1","fees":{"BTC":"0","HUF":"33.50"},"key":"f1","order_id":"17","order_key":"o1","price":"67000","purpose":"quote","quantity":"0.1","quoted":null,"raced":null,"rate":null,"reference_ask":null,"reference_bid":"249.9","side":"SELL","ticker":"BTC/HUF","venue":"target"}');
INSERT INTO "history" VALUES(3,'2015-03-14T12:00:00.123456Z','hedge','h1','{"at":"2015-03-14T12:00:00.123456Z","closed_by":"source/f2","edge":"-0.25","fill_key":"target/f1","key":"h1","quantity":"0.1","slippage":null}');
INSERT INTO "history" VALUES(4,'2015-03-14T12:00:00.123456Z','transfer','t1','{"address":"1Boat","amount":"1.5","arrived":"0","asset":"BTC","by":"machine","called":true,"created":"2015-03-14T12:00:00.123456Z","debited":"0","departed":null,"deposit_id":null,"due":"2015-03-14T13:00:00.123456Z","expected":"1.4999","fee":"0.0001","from_venue":"source","id":"t1","manual":false,"note":"","plan":"","reference":null,"since":"2015-03-14T12:00:00.123456Z","state":"PLANNED","to_asset":"BTC","to_venue":"target","withdrawal_id":null}');
INSERT INTO "history" VALUES(5,'2015-03-14T12:00:00.123456Z','flow','target/deposit/9','{"asset":"HUF","at":"2015-03-14T12:00:00.123456Z","by":"","classified":"","key":"target/deposit/9","quantity":"-250000","reference":"wire 9","venue":"target"}');
INSERT INTO "history" VALUES(6,'2015-03-14T12:00:00.123456Z','plan','p1','{"answer":{"optimized":{"moves":[],"value":1.5}},"at":"2015-03-14T12:00:00.123456Z","id":"p1","pool":{"marks":{"BTC":"250.0","HUF":0.0037},"numeraire":"USD"},"rounded":[{"amount":"1.25","direction":"buy","move":0}]}');
INSERT INTO "history" VALUES(7,'2015-03-14T12:00:00.123456Z','parameter','quote_size','{"at":"2015-03-14T12:00:00.123456Z","by":"alice","file_value":"0.1","name":"quote_size","new":"0.2","old":"0.1","version":1}');
INSERT INTO "history" VALUES(8,'2015-03-14T12:00:00.123456Z','state','READY','{"at":"2015-03-14T12:00:00.123456Z","by":"gate","previous":"INITIALIZING","reason":"exposure 0.3 > 0.2","state":"READY"}');
INSERT INTO "history" VALUES(9,'2015-03-14T12:00:00.123456Z','intent','True','{"at":"2015-03-14T12:00:00.123456Z","by":"alice","paused":"","wanted":true}');
INSERT INTO "history" VALUES(10,'2015-03-14T12:00:00.123456Z','booking','0000000001','{"at":"2015-03-14T12:00:00.123456Z","exposure":"-0.1","key":"0000000001","kind":"opening","lines":[[":outside","HUF",-100000000000000001],["target","HUF",100000000000000001]],"marks":{"HUF":4000000000},"reference":"","rounding":4000000000,"terms":{"external flows":400000000000000}}');
INSERT INTO "history" VALUES(11,'2015-03-14T12:00:00.123456Z','act','cancel','{"about":"target","after":"1 cancelled","at":"2015-03-14T12:00:00.123456Z","before":"buy 0.1 at 24576900","by":"alice","note":"too near","what":"cancel"}');
INSERT INTO "history" VALUES(12,'2015-03-14T12:00:00.123456Z','checkpoint','ledger','{"at":"2015-03-14T12:00:00.123456Z","key":"ledger","number":1,"sums":{"balances":[[":outside","HUF",-100000000000000001],["target","HUF",100000000000000001]],"booked":{},"days":{"2015-03-14":[{"external flows":400000000000000},4000000000]},"exposure":"-0.1","marks":{"HUF":4000000000},"opened":"2015-03-14T12:00:00.123456+00:00","since":[{"external flows":400000000000000},4000000000]}}');
CREATE TABLE intents (
	seq INTEGER NOT NULL, 
	wanted BOOLEAN NOT NULL, 
	"by" TEXT NOT NULL, 
	at TEXT NOT NULL, paused TEXT DEFAULT '' NOT NULL, 
	PRIMARY KEY (seq)
);
INSERT INTO "intents" VALUES(1,1,'alice','2015-03-14T12:00:00.123456Z','');
CREATE TABLE orders (
	venue TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	order_id TEXT, 
	purpose TEXT NOT NULL, 
	ticker TEXT NOT NULL, 
	side TEXT NOT NULL, 
	price TEXT NOT NULL, 
	quantity TEXT NOT NULL, 
	filled TEXT NOT NULL, 
	state TEXT NOT NULL, 
	at TEXT NOT NULL, 
	note TEXT NOT NULL, 
	PRIMARY KEY (venue, "key")
);
INSERT INTO "orders" VALUES('target','o1',NULL,'quote','BTC/HUF','BUY','67000.10','0.10000000','0.00000001','open','2015-03-14T12:00:00.123456Z','edge 0.5, árvíztűrő');
CREATE TABLE parameters (
	seq INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	old TEXT NOT NULL, 
	new TEXT NOT NULL, 
	file_value TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	"by" TEXT NOT NULL, 
	at TEXT NOT NULL, 
	PRIMARY KEY (seq)
);
INSERT INTO "parameters" VALUES(1,'quote_size','0.1','0.2','0.1',1,'alice','2015-03-14T12:00:00.123456Z');
CREATE TABLE plans (
	id TEXT NOT NULL, 
	at TEXT NOT NULL, 
	pool TEXT NOT NULL, 
	answer TEXT NOT NULL, 
	rounded TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "plans" VALUES('p1','2015-03-14T12:00:00.123456Z','{"marks":{"BTC":"250.0","HUF":0.0037},"numeraire":"USD"}','{"optimized":{"moves":[],"value":1.5}}','[{"amount":"1.25","direction":"buy","move":0}]');
CREATE TABLE states (
	seq INTEGER NOT NULL, 
	state TEXT NOT NULL, 
	previous TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	"by" TEXT NOT NULL, 
	at TEXT NOT NULL, 
	PRIMARY KEY (seq)
);
INSERT INTO "states" VALUES(1,'READY','INITIALIZING','exposure 0.3 > 0.2','gate','2015-03-14T12:00:00.123456Z');
CREATE TABLE transfers (
	id TEXT NOT NULL, 
	state TEXT NOT NULL, 
	asset TEXT NOT NULL, 
	from_venue TEXT NOT NULL, 
	to_venue TEXT NOT NULL, 
	to_asset TEXT NOT NULL, 
	amount TEXT NOT NULL, 
	expected TEXT NOT NULL, 
	fee TEXT NOT NULL, 
	address TEXT NOT NULL, 
	reference TEXT, 
	manual BOOLEAN NOT NULL, 
	created TEXT NOT NULL, 
	since TEXT NOT NULL, 
	due TEXT, 
	debited TEXT NOT NULL, 
	arrived TEXT NOT NULL, 
	"plan" TEXT NOT NULL, 
	note TEXT NOT NULL, 
	"by" TEXT NOT NULL, 
	called BOOLEAN NOT NULL, 
	withdrawal_id TEXT, 
	deposit_id TEXT, departed TEXT, 
	PRIMARY KEY (id)
);
INSERT INTO "transfers" VALUES('t1','PLANNED','BTC','source','target','BTC','1.5','1.4999','0.0001','1Boat',NULL,0,'2015-03-14T12:00:00.123456Z','2015-03-14T12:00:00.123456Z','2015-03-14T13:00:00.123456Z','0','0','','','machine',1,NULL,NULL,NULL);
CREATE INDEX fills_by_time ON fills (at);
CREATE INDEX flows_by_time ON flows (at);
CREATE INDEX hedges_by_time ON hedges (at);
CREATE INDEX history_by_key ON history (kind, "key", seq);
CREATE INDEX orders_by_state ON orders (state);
CREATE INDEX plans_by_time ON plans (at);
CREATE INDEX transfers_by_time ON transfers (since);
CREATE INDEX bookings_by_time ON bookings (at);
CREATE INDEX acts_by_time ON acts (at);
CREATE INDEX history_by_time ON history (at);
CREATE INDEX states_by_state ON states (state, seq);
CREATE INDEX fills_by_order ON fills (order_key);
COMMIT;
