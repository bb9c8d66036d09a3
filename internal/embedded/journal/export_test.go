package journal

// Text is a text as the journal keeps it under a key.
func Text(key, text string) []byte {
	value, err := (&packer{}).value([]byte(key), 0, text)
	if err != nil {
		panic(err)
	}
	return value
}
