;; A heap that survives restarts: a hash table and a counter, in memory that the host has mapped over a file.
;;
;;      0  mark      i32  says whose file it is
;;      4  top       i32  where the next node goes
;;      8  counter   i64
;;     64  buckets   i32  256 of them: the first node of each chain, 0 where there is none
;;   2048  nodes          16 bytes each: key i32, value i32, next i32, 4 spare bytes
;;
;; Each change counts by one aligned atomic store, made when all that it refers to is persisted. A power failure leaves the
;; state before it or the one after it, and at worst a node that nothing refers to.
(module
  (import "host" "memory" (memory 1))
  ;; Makes a range durable.
  (import "host" "persist" (func $persist (param $offset i32) (param $length i32)))

  (global $MARK i32 (i32.const 0x50414548)) ;; "HEAP"
  (global $NODES i32 (i32.const 2048))
  (global $NODE_SIZE i32 (i32.const 16))

  ;; Makes a blank memory a heap. 0 where it holds something else.
  (func (export "open") (result i32)
    (local $mark i32)
    (local.set $mark (i32.load (i32.const 0)))
    (if (i32.eq (local.get $mark) (global.get $MARK)) (then (return (i32.const 1))))
    (if (local.get $mark) (then (return (i32.const 0))))
    (i32.store (i32.const 4) (global.get $NODES))
    (call $persist (i32.const 4) (i32.const 4))
    (i32.atomic.store (i32.const 0) (global.get $MARK))
    (call $persist (i32.const 0) (i32.const 4))
    (i32.const 1))

  ;; Sets the value of a key. 0 where the heap is full; it is as it was then.
  (func (export "put") (param $key i32) (param $value i32) (result i32)
    (local $node i32)
    (local $bucket i32)
    (local.set $node (call $find (local.get $key)))
    (if (local.get $node)
      (then
        (i32.atomic.store offset=4 (local.get $node) (local.get $value))
        (call $persist (i32.add (local.get $node) (i32.const 4)) (i32.const 4))
        (return (i32.const 1))))

    (local.set $node (call $allocate))
    (if (i32.eqz (local.get $node)) (then (return (i32.const 0))))
    (local.set $bucket (call $bucket (local.get $key)))
    (i32.store offset=0 (local.get $node) (local.get $key))
    (i32.store offset=4 (local.get $node) (local.get $value))
    (i32.store offset=8 (local.get $node) (i32.load (local.get $bucket)))
    (call $persist (local.get $node) (global.get $NODE_SIZE))
    (i32.atomic.store (local.get $bucket) (local.get $node))
    (call $persist (local.get $bucket) (i32.const 4))
    (i32.const 1))

  ;; The value of a key, -1 where it has none.
  (func (export "get") (param $key i32) (result i32)
    (local $node i32)
    (local.set $node (call $find (local.get $key)))
    (if (i32.eqz (local.get $node)) (then (return (i32.const -1))))
    (i32.load offset=4 (local.get $node)))

  ;; How many keys there are, counted by a walk over all chains.
  (func (export "size") (result i32)
    (local $bucket i32)
    (local $node i32)
    (local $size i32)
    (local.set $bucket (i32.const 64))
    (loop $buckets
      (local.set $node (i32.load (local.get $bucket)))
      (block $end
        (loop $chain
          (br_if $end (i32.eqz (local.get $node)))
          (local.set $size (i32.add (local.get $size) (i32.const 1)))
          (local.set $node (i32.load offset=8 (local.get $node)))
          (br $chain)))
      (local.set $bucket (i32.add (local.get $bucket) (i32.const 4)))
      (br_if $buckets (i32.lt_u (local.get $bucket) (i32.const 1088))))
    (local.get $size))

  (func (export "count") (result i64)
    (i64.load (i32.const 8)))

  ;; Counts on.
  (func (export "tick")
    (i64.atomic.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (i64.const 1)))
    (call $persist (i32.const 8) (i32.const 8)))

  ;; A node that is nobody else's, also after a power failure; 0 where the heap is full.
  (func $allocate (result i32)
    (local $node i32)
    (local $end i32)
    (local.set $node (i32.load (i32.const 4)))
    (local.set $end (i32.add (local.get $node) (global.get $NODE_SIZE)))
    (if (i32.ge_u (i32.shr_u (i32.sub (local.get $end) (i32.const 1)) (i32.const 16)) (memory.size))
      (then (return (i32.const 0))))
    (i32.atomic.store (i32.const 4) (local.get $end))
    (call $persist (i32.const 4) (i32.const 4))
    (local.get $node))

  ;; The node of a key, 0 where there is none.
  (func $find (param $key i32) (result i32)
    (local $node i32)
    (local.set $node (i32.load (call $bucket (local.get $key))))
    (block $end
      (loop $chain
        (br_if $end (i32.eqz (local.get $node)))
        (br_if $end (i32.eq (i32.load (local.get $node)) (local.get $key)))
        (local.set $node (i32.load offset=8 (local.get $node)))
        (br $chain)))
    (local.get $node))

  ;; Where the chain of a key starts: by the upper 8 bits of its product with 2^32 over the golden ratio.
  (func $bucket (param $key i32) (result i32)
    (i32.add
      (i32.const 64)
      (i32.shl
        (i32.shr_u (i32.mul (local.get $key) (i32.const 0x9e3779b1)) (i32.const 24))
        (i32.const 2)))))
