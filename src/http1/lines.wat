;; Reads field lines, 16 bytes at a time, as long as they are ordinary: a name that `KnownNames` knows to come here, a colon, a value
;; without control bytes (RFC 9110 section 5.5), CRLF. It stops in front of anything else, and FieldBlock looks at that byte by byte.
;; It refuses nothing and decides nothing; what it lets through, FieldBlock would let through too.
;;
;; `npm run build:wasm` makes lines-wasm.ts of it.
(module
  (import "limpet" "memory" (memory 1))

  ;; Whether a byte is white space: SP or HTAB.
  (func $isBlank (param $byte i32) (result i32)
    (i32.or
      (i32.eq (local.get $byte) (i32.const 0x20))
      (i32.eq (local.get $byte) (i32.const 0x09))))

  ;; $at          where a line begins; all of these are addresses
  ;; $end         where the bytes end; up to 15 behind them are read, and count for nothing
  ;; $base        what the offsets of a line are counted from
  ;; $out $limit  where the six numbers of a line are written, and where there is no more room for them
  ;; $entry       the entry of the name before, see KnownNames
  ;; $state       what it leaves there: where the next line would be written, and the entry of the last name
  ;; Returns where the line begins that it stopped at.
  (func (export "read")
    (param $at i32) (param $end i32) (param $base i32) (param $out i32) (param $limit i32) (param $entry i32) (param $state i32)
    (result i32)
    (local $next i32) (local $length i32) (local $done i32) (local $p i32) (local $value i32) (local $valueEnd i32)
    (local $found i32) (local $bytes v128)
    (block $stop
      (loop $line
        (br_if $stop (i32.ge_u (local.get $out) (local.get $limit)))
        (local.set $next (i32.load offset=12 (local.get $entry)))
        (local.set $length (i32.load (local.get $next)))
        (br_if $stop (i32.eqz (local.get $length)))
        (local.set $p (i32.add (local.get $at) (local.get $length)))
        (br_if $stop (i32.ge_u (local.get $p) (local.get $end)))
        (br_if $stop (i32.ne (i32.load8_u (local.get $p)) (i32.const 0x3a)))
        ;; The name, byte for byte: what differs behind its length does not count.
        (local.set $done (i32.const 0))
        (loop $name
          (br_if $stop
            (i32.ne
              (i32.or
                (i8x16.bitmask
                  (i8x16.eq
                    (v128.load (i32.add (local.get $at) (local.get $done)))
                    (v128.load offset=16 (i32.add (local.get $next) (local.get $done)))))
                (select
                  (i32.const 0)
                  (i32.and
                    (i32.shl (i32.const -1) (i32.sub (local.get $length) (local.get $done)))
                    (i32.const 0xffff))
                  (i32.ge_u (i32.sub (local.get $length) (local.get $done)) (i32.const 16))))
              (i32.const 0xffff)))
          (local.set $done (i32.add (local.get $done) (i32.const 16)))
          (br_if $name (i32.lt_u (local.get $done) (local.get $length))))
        ;; The value begins behind white space.
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (block $begun
          (loop $blanks
            (br_if $stop (i32.ge_u (local.get $p) (local.get $end)))
            (br_if $begun (i32.eqz (call $isBlank (i32.load8_u (local.get $p)))))
            (local.set $p (i32.add (local.get $p) (i32.const 1)))
            (br $blanks)))
        (local.set $value (local.get $p))
        ;; It ends before the first byte below 0x20 that is no HTAB, or 0x7F.
        (block $ended
          (loop $bytes16
            (br_if $stop (i32.ge_u (local.get $p) (local.get $end)))
            (local.set $bytes (v128.load (local.get $p)))
            (local.set $found
              (i8x16.bitmask
                (v128.or
                  (v128.andnot
                    (i8x16.lt_u (local.get $bytes) (v128.const i8x16 32 32 32 32 32 32 32 32 32 32 32 32 32 32 32 32))
                    (i8x16.eq (local.get $bytes) (v128.const i8x16 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9)))
                  (i8x16.eq
                    (local.get $bytes)
                    (v128.const i8x16 127 127 127 127 127 127 127 127 127 127 127 127 127 127 127 127)))))
            (br_if $ended (local.get $found))
            (local.set $p (i32.add (local.get $p) (i32.const 16)))
            (br $bytes16)))
        (local.set $p (i32.add (local.get $p) (i32.ctz (local.get $found))))
        ;; CRLF, whole.
        (br_if $stop (i32.ge_u (i32.add (local.get $p) (i32.const 1)) (local.get $end)))
        (br_if $stop (i32.ne (i32.load16_u align=1 (local.get $p)) (i32.const 0x0a0d)))
        (local.set $valueEnd (local.get $p))
        (block $trimmed
          (loop $trim
            (br_if $trimmed (i32.le_u (local.get $valueEnd) (local.get $value)))
            (br_if $trimmed
              (i32.eqz (call $isBlank (i32.load8_u (i32.sub (local.get $valueEnd) (i32.const 1))))))
            (local.set $valueEnd (i32.sub (local.get $valueEnd) (i32.const 1)))
            (br $trim)))
        (i32.store (local.get $out) (i32.sub (local.get $at) (local.get $base)))
        (i32.store offset=4
          (local.get $out)
          (i32.sub (i32.add (local.get $at) (local.get $length)) (local.get $base)))
        (i32.store offset=8 (local.get $out) (i32.sub (local.get $value) (local.get $base)))
        (i32.store offset=12 (local.get $out) (i32.sub (local.get $valueEnd) (local.get $base)))
        (i32.store offset=16 (local.get $out) (i32.load offset=4 (local.get $next)))
        (i32.store offset=20 (local.get $out) (i32.load offset=8 (local.get $next)))
        (local.set $out (i32.add (local.get $out) (i32.const 24)))
        (local.set $entry (local.get $next))
        (local.set $at (i32.add (local.get $p) (i32.const 2)))
        (br $line)))
    (i32.store (local.get $state) (local.get $out))
    (i32.store offset=4 (local.get $state) (local.get $entry))
    (local.get $at)))
