package journal

// Text is a text as the journal keeps it under a key.
func Text(key, text string) []byte { return seal([]byte(key), 0, []byte(text)) }
