// Stands in for a server that starts a process for every file it takes out of an archive. The process
// reads the archive's directory from its beginning, finds the entry and unpacks it to its output.
//
//	spawn serve ADDRESS FOLDER    answers GET /ARCHIVE/ENTRY
//	spawn cat ARCHIVE ENTRY       what it starts
package main

import (
	"archive/zip"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: spawn serve ADDRESS FOLDER | spawn cat ARCHIVE ENTRY")
	}
	if os.Args[1] == "cat" {
		if err := cat(os.Args[2], os.Args[3]); err != nil {
			log.Fatal(err)
		}
		return
	}
	listener, err := net.Listen("tcp", os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	log.Fatal(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		archive, entry, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if err := spawn(w, filepath.Join(os.Args[3], filepath.Base(archive)), entry); err != nil {
			log.Print(err)
			panic(http.ErrAbortHandler)
		}
	})))
}

func spawn(w io.Writer, archive, entry string) error {
	command := exec.Command(os.Args[0], "cat", archive, entry)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	_, copied := io.Copy(w, output)
	if err := command.Wait(); err != nil {
		return err
	}
	return copied
}

func cat(archive, name string) error {
	reader, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer reader.Close()
	for _, file := range reader.File {
		if file.Name == name {
			entry, err := file.Open()
			if err != nil {
				return err
			}
			_, err = io.Copy(os.Stdout, entry)
			return err
		}
	}
	return fmt.Errorf("no entry %q in %s", name, archive)
}
