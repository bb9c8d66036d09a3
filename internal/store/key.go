package store

import (
	"fmt"
	"strings"
)

const (
	keyAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@+="
	// Object storage takes keys of 1,024 bytes; most file systems take names of 255, of which a row's file needs five.
	maxKey  = 1024
	maxName = 250
)

// CheckKey says in a sentence what is wrong with a key, or is nil. No key that passes can lead out of the store.
func CheckKey(key string) error {
	if len(key) > maxKey {
		return fmt.Errorf("key %.40q… has %d bytes; %d are the most", key, len(key), maxKey)
	}
	for name := range strings.SplitSeq(key, "/") {
		switch {
		case name == "":
			return fmt.Errorf("key %q has an empty part; write parts with one slash between them", key)
		case name == "." || name == "..":
			return fmt.Errorf("key %q has the part %q, which would lead elsewhere", key, name)
		case len(name) > maxName:
			return fmt.Errorf("key %.40q… has a part of %d bytes; %d are the most", key, len(name), maxName)
		case strings.Trim(name, keyAlphabet) != "":
			return fmt.Errorf("key %q holds a character other than letters, digits and ._-@+=", key)
		}
	}
	return nil
}

// checkPrefix does the same for the beginning of a key, which may end anywhere.
func checkPrefix(prefix string) error {
	i := strings.LastIndexByte(prefix, '/')
	if i >= 0 {
		if err := CheckKey(prefix[:i]); err != nil {
			return err
		}
	}
	if strings.Trim(prefix[i+1:], keyAlphabet) != "" {
		return fmt.Errorf("prefix %q holds a character other than letters, digits and ._-@+=", prefix)
	}
	return nil
}
