/* The epoch protocol on a machine with store buffers (TSO): two writers, each with a slot of two banks, and a reader.
 * Every store of a thread goes through its buffer, in order, and is seen by others when it has left it; its own loads
 * look into its buffer first. The heavy fence empties all buffers at one instant, as membarrier does.
 *
 * A request is two cells, `head` and `tail`, which stand for all fields of a bank: each holds the number of requests of
 * its slot so far. Checked of every window: both have grown alike (whole). At the end: they have grown by all requests
 * (exactly once). -D NO_HEAVY and -D LATE_BUSY are weakened versions, which must fail.
 */
#define WRITERS 2
#define RECORDS 2
#define CUTS    2

/* Memory. The cells of one writer: */
#define SEQUENCE 0
#define HEAD     1 /* and 2: by bank */
#define TAIL     3 /* and 4 */
#define CELLS    5
byte memory[10]; /* WRITERS * CELLS */
byte epoch;

/* Store buffers: of each writer, one message (cell, value) for each store, and of the reader, the epoch alone. */
#define DEPTH 8 /* all of them */
chan buffer[WRITERS] = [DEPTH] of { byte, byte };
chan reader_buffer = [1] of { byte };

/* What each writer holds in its buffer or, where that has none, in memory: what it loads itself. */
byte own[10];

byte finished; /* writers that have ended */

inline store(w, cell, value) {
  atomic {
    nfull(buffer[w]);
    buffer[w] ! cell, value;
    own[w * CELLS + cell] = value;
  }
}

/* The hardware: empties one entry at a time, of any buffer, at any moment. */
active proctype hardware() {
  byte cell, value;
end:
  do
  :: atomic { buffer[0] ? cell, value -> memory[cell] = value; cell = 0; value = 0 }
  :: atomic { buffer[1] ? cell, value -> memory[CELLS + cell] = value; cell = 0; value = 0 }
  :: atomic { reader_buffer ? value -> epoch = value; value = 0 }
  od
}

proctype writer(byte w) {
  byte i, now;
  for (i : 1 .. RECORDS) {
#ifdef LATE_BUSY
    now = epoch;
    store(w, SEQUENCE, own[w * CELLS + SEQUENCE] + 1);
#else
    store(w, SEQUENCE, own[w * CELLS + SEQUENCE] + 1); /* W1 */
    now = epoch;                                       /* W3 */
#endif
    now = now % 2;
    store(w, HEAD + now, own[w * CELLS + HEAD + now] + 1);
    store(w, TAIL + now, own[w * CELLS + TAIL + now] + 1);
    store(w, SEQUENCE, own[w * CELLS + SEQUENCE] + 1); /* W7 */
    now = 0;
  }
  finished++;
}

byte seen_head[4], seen_tail[4]; /* by writer and bank */
byte head_sum[WRITERS], tail_sum[WRITERS];

inline fence_heavy() {
#ifdef NO_HEAVY
  skip;
#else
  atomic {
    do
    :: buffer[0] ? cell, value -> memory[cell] = value
    :: buffer[1] ? cell, value -> memory[CELLS + cell] = value
    :: reader_buffer ? value -> epoch = value
    :: empty(buffer[0]) && empty(buffer[1]) && empty(reader_buffer) -> break
    od;
    cell = 0; value = 0;
  }
#endif
}

inline cut() {
  closing = next;
  next++;
  reader_buffer ! next; /* R1 */
  fence_heavy();        /* R2 */
  for (w : 0 .. WRITERS - 1) {
    first = memory[w * CELLS + SEQUENCE];                              /* R3 */
    (first % 2 == 0 || memory[w * CELLS + SEQUENCE] != first);         /* until it is even, or has moved on */
    first = 0;
    head = memory[w * CELLS + HEAD + closing % 2];
    tail = memory[w * CELLS + TAIL + closing % 2];
    assert(head - seen_head[w * 2 + closing % 2] == tail - seen_tail[w * 2 + closing % 2]); /* whole */
    head_sum[w] = head_sum[w] + head - seen_head[w * 2 + closing % 2];
    tail_sum[w] = tail_sum[w] + tail - seen_tail[w * 2 + closing % 2];
    seen_head[w * 2 + closing % 2] = head;
    seen_tail[w * 2 + closing % 2] = tail;
    head = 0; tail = 0;
  }
  w = 0; closing = 0;
}

proctype reader() {
  byte n, w, next, closing, first, head, tail, cell, value;
  for (n : 1 .. CUTS) { cut() }
  n = 0;
  /* Long after: all have ended, and two more cuts take what is left in either bank. */
  finished == WRITERS && empty(buffer[0]) && empty(buffer[1]);
  for (n : 1 .. 2) { cut() }
  for (w : 0 .. WRITERS - 1) {
    assert(head_sum[w] == RECORDS && tail_sum[w] == RECORDS); /* exactly once */
  }
}

init {
  atomic { run writer(0); run writer(1); run reader() }
}
