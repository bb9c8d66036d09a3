package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/deployed"
	"github.com/iam-sunset/iam-sunset/internal/letters"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// receivers say who gets a message of each kind.
func receivers() map[sunset.MessageKind]string {
	owner := "the owner; the team where none is known"
	return map[sunset.MessageKind]string{
		sunset.NoticeMessage: owner, sunset.DisabledMessage: owner, sunset.LastCallMessage: owner, sunset.EndedMessage: owner,
		sunset.HandedOverMessage: "the new owner",
		sunset.WaitingMessage:    "each approver",
		sunset.EscalationMessage: "the team",
		sunset.FailedMessage:     "owner, team and approvers",
	}
}

func messagesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "messages",
		Short: "Show which messages people get, and how they read",
		Long: "Lists the kinds of messages, who gets them, and the fields that a replacement may use. Settings replace the subject or the text of a\n" +
			"kind, or both: \"messages\": {\"notice\": {\"subject\": \"About {{.user}}\"}}. Nothing is sent.",
		Example: "  iam-sunset messages\n" +
			"  iam-sunset messages preview notice --settings settings.json",
		Args: func(cmd *cobra.Command, args []string) error { return knownCommand(cmd, args) },
		RunE: func(cmd *cobra.Command, _ []string) error { return writeMessageKinds(cmd.OutOrStdout()) },
	}
	cmd.AddCommand(previewCommand())
	return cmd
}

func writeMessageKinds(w io.Writer) error {
	header := table.Row{"Message", "Who gets it", "Fields"}
	var rows []table.Row
	for _, kind := range sunset.MessageKinds() {
		rows = append(rows, table.Row{string(kind), receivers()[kind], strings.Join(sunset.MessageFields()[kind], " ")})
	}
	if _, err := fmt.Fprintln(w, renderRows(header, rows, []int{12, 40, 0}, widthOf(w, pageWidth))); err != nil {
		return fmt.Errorf("writing the kinds of messages: %w", err)
	}
	return nil
}

func previewCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "preview [KIND]",
		Short: "Print messages as they would read, about a made-up user",
		Long: "Fills in the messages with an example, in the words of the settings where these replace them. Without KIND it prints all of them.\n" +
			"Where a message goes with a link, that is said below it: links are no part of the text.",
		Example: "  iam-sunset messages preview\n" +
			"  iam-sunset messages preview waiting\n" +
			"  iam-sunset messages preview notice --settings settings.json",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return hinted{fmt.Errorf("%s takes one kind of message at most, and got %q as well", cmd.CommandPath(), args[1]), "without one it prints all"}
			}
			return nil
		},
		ValidArgs: func() []string {
			var names []string
			for _, k := range sunset.MessageKinds() {
				names = append(names, string(k))
			}
			return names
		}(),
		RunE: func(cmd *cobra.Command, args []string) error { return preview(cmd.OutOrStdout(), file, args) },
	}
	cmd.Flags().StringVar(&file, "settings", "", "file with the settings whose words to use")
	_ = cmd.MarkFlagFilename("settings", "json") // the flag is there
	return cmd
}

func preview(w io.Writer, file string, kinds []string) error {
	wanted := sunset.MessageKinds()
	if len(kinds) > 0 {
		kind := sunset.MessageKind(kinds[0])
		if !slices.Contains(wanted, kind) {
			return hinted{fmt.Errorf("there is no message %q", kinds[0]), "iam-sunset messages lists the kinds"}
		}
		wanted = []sunset.MessageKind{kind}
	}
	settings := sunset.DefaultSettings()
	if file != "" {
		var err error
		if settings, err = deployed.SettingsFile(file); err != nil {
			return hinted{fmt.Errorf("--settings: %w", err), "correct the file, or leave --settings out for the product's own words"}
		}
	}
	var lines []string
	for i, kind := range wanted {
		if i > 0 {
			lines = append(lines, strings.Repeat("-", 72), "")
		}
		values := sunset.MessageExample(kind)
		letter := letters.Write(kind, settings.Messages, values)
		lines = append(lines, "Message: "+string(kind), "To:      "+receivers()[kind], "Subject: "+letter.Subject, "")
		lines = append(lines, strings.Split(letter.Text, "\n")...)
		if values["link"] != "" {
			lines = append(lines, "[The link to the page stands here.]", "")
		}
	}
	return writeLines(w, lines)
}
