package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"go.etcd.io/bbolt"
)

// check reads a whole journal and refuses one that isn't as it was written. It opens the file for reading only.
func check(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return errors.New("it is no journal: it is empty")
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return guard(func() error {
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: lockWait})
		if err != nil {
			return named(err)
		}
		err = db.View(func(tx *bbolt.Tx) error {
			if tx.Size() > info.Size() {
				return fmt.Errorf("it is cut short: %d bytes of %d are there", info.Size(), tx.Size())
			}
			if err := checkPages(tx, file); err != nil {
				return err
			}
			for _, part := range []func(*bbolt.Tx) error{checkFormat, checkTexts, checkExecutions} {
				if err := part(tx); err != nil {
					return err
				}
			}
			return nil
		})
		return errors.Join(err, db.Close())
	})
}

func checkFormat(tx *bbolt.Tx) error {
	for _, name := range [][]byte{aboutBucket, definitionBucket, entryBucket, eventBucket} {
		if tx.Bucket(name) == nil {
			return errors.New("it is no journal of this program")
		}
	}
	text, err := getText(tx, aboutBucket, "format")
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(text); err != nil || n > Format {
		return fmt.Errorf("its format is %s, and this program knows %d: use the newer program that wrote it", text, Format)
	}
	return nil
}

// checkTexts reads every text, and finds each where a look-up would.
func checkTexts(tx *bbolt.Tx) error {
	for _, name := range [][]byte{aboutBucket, definitionBucket} {
		err := walk(tx.Bucket(name), func(key, value []byte) error {
			_, err := sound(key, value)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// checkExecutions wants executions without a gap, each with all of its events, and no event of another.
func checkExecutions(tx *bbolt.Tx) error {
	var counts []int64
	err := walk(tx.Bucket(entryBucket), func(key, value []byte) error {
		count, err := sound(key, value)
		if err != nil {
			return err
		}
		counts = append(counts, count)
		if !bytes.Equal(key, entryKey(uint64(len(counts)))) {
			return fmt.Errorf("it is damaged: execution number %d is missing", len(counts))
		}
		return nil
	})
	if err != nil {
		return err
	}
	found := make([]int64, len(counts))
	err = walk(tx.Bucket(eventBucket), func(key, value []byte) error {
		count, err := sound(key, value)
		if err != nil {
			return err
		}
		number, id := numberAndID(key)
		if number < 1 || number > uint64(len(found)) || id != found[number-1]+1 {
			return fmt.Errorf("it is damaged: events before %x are missing", key)
		}
		found[number-1] += count
		return nil
	})
	if err != nil {
		return err
	}
	for i, count := range counts {
		if found[i] != count {
			return fmt.Errorf("it is damaged: execution number %d has %d events and should have %d", i+1, found[i], count)
		}
	}
	return nil
}

// walk goes through a bucket in order, and makes sure that a look-up leads to each key as well.
func walk(b *bbolt.Bucket, each func(key, value []byte) error) error {
	seek := b.Cursor()
	var last []byte
	return b.ForEach(func(key, value []byte) error {
		if at, _ := seek.Seek(key); !bytes.Equal(at, key) || last != nil && bytes.Compare(last, key) >= 0 {
			return fmt.Errorf("it is damaged: %x is out of order", key)
		}
		last = key
		return each(key, value)
	})
}
