package post

import (
	"strings"
	"unicode/utf8"

	"github.com/iam-sunset/iam-sunset/internal/approval"
)

// oneLine is a subject without anything that would end its line.
func oneLine(subject string) string {
	return strings.Join(strings.Fields(approval.CleanReason(subject)), " ")
}

// longestSubject is SNS's: "less than 100 characters long".
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
const longestSubject = 99

// topicSubject is a subject as SNS has always taken it: printable ASCII, which its mails put into a header as it is.
func topicSubject(subject string) string {
	s := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, oneLine(subject))
	if len(s) > longestSubject {
		s = strings.TrimSpace(s[:longestSubject-3]) + "..."
	}
	if s == "" {
		s = "IAM Sunset"
	}
	return s
}

// longestText stays below the 262,144 bytes that SNS takes, and leaves room for what it adds for its subscribers.
const longestText = 200_000

const cutHere = "\n[The rest is left out: it is too long for one message.]\n"

// topicText is a text that SNS takes: not empty, and not too long.
func topicText(text, subject string) string {
	text = strings.ToValidUTF8(text, "?")
	if strings.TrimSpace(text) == "" {
		return subject
	}
	if len(text) <= longestText {
		return text
	}
	end := longestText - len(cutHere)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + cutHere
}
