package journal

import "go.etcd.io/bbolt"

// Text is a text as the journal keeps it under a key.
func Text(key, text string) []byte { return seal([]byte(key), 0, []byte(text)) }

// Most is a disk that is full once the file has so many bytes.
func Most(size int) Option { return func(o *bbolt.Options) { o.MaxSize = size } }
