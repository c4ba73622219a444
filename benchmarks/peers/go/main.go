// The article's function, written anew and correct: what a CloudEvent handler in Go reaches that
// posts each alert by itself. PORT and RECEIVER_URL as for ours.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"regexp"
	"time"
)

var (
	pod      = regexp.MustCompile(`^wordpress-v1-[a-z0-9]{5,15}-[a-z0-9]{3,10}$`)
	notFound = regexp.MustCompile(`"([A-Z]+) (\S+) HTTP/[^"]*" 404 `)
)

type record struct {
	Log        string `json:"log"`
	Kubernetes struct {
		Namespace string `json:"namespace_name"`
		Pod       string `json:"pod_name"`
	} `json:"kubernetes"`
}

type labels map[string]string

type alert struct {
	Status       string    `json:"status"`
	Labels       labels    `json:"labels"`
	Annotations  labels    `json:"annotations"`
	StartsAt     time.Time `json:"startsAt"`
	EndsAt       time.Time `json:"endsAt"`
	GeneratorURL string    `json:"generatorURL"`
	Fingerprint  string    `json:"fingerprint"`
}

type payload struct {
	Receiver          string  `json:"receiver"`
	Status            string  `json:"status"`
	Alerts            []alert `json:"alerts"`
	GroupLabels       labels  `json:"groupLabels"`
	CommonLabels      labels  `json:"commonLabels"`
	CommonAnnotations labels  `json:"commonAnnotations"`
	ExternalURL       string  `json:"externalURL"`
}

// alerts returns what a record fires, nil where that is nothing.
func alerts(from record) *payload {
	if from.Kubernetes.Namespace != "demo-project" || !pod.MatchString(from.Kubernetes.Pod) {
		return nil
	}
	request := notFound.FindStringSubmatch(from.Log)
	if request == nil {
		return nil
	}
	return &payload{
		Receiver: "notification_manager",
		Status:   "firing",
		Alerts: []alert{{
			Status: "firing",
			Labels: labels{
				"alertname": "404 Request", "namespace": "demo-project", "severity": "warning",
				"pod": from.Kubernetes.Pod, "method": request[1], "path": request[2],
			},
			Annotations: labels{},
			StartsAt:    time.Now(),
		}},
		GroupLabels:       labels{"alertname": "404 Request", "namespace": "demo-project"},
		CommonLabels:      labels{"alertname": "404 Request", "namespace": "demo-project", "severity": "warning"},
		CommonAnnotations: labels{},
	}
}

// handler reads one CloudEvent in binary content mode, which is all that KafkaSource sends.
type handler struct {
	receiver string
	client   *http.Client
}

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "POST a CloudEvent", http.StatusMethodNotAllowed)
		return
	}
	for _, name := range []string{"ce-specversion", "ce-id", "ce-source", "ce-type"} {
		if r.Header.Get(name) == "" {
			http.Error(w, "not a CloudEvent: no "+name, http.StatusBadRequest)
			return
		}
	}
	body, err := io.ReadAll(r.Body)
	var from record
	if err == nil {
		err = json.Unmarshal(body, &from)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if firing := alerts(from); firing != nil {
		if err := h.post(firing); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func (h handler) post(firing *payload) error {
	body, err := json.Marshal(firing)
	if err != nil {
		return err
	}
	answer, err := h.client.Post(h.receiver, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("the receiver answered %s", answer.Status)
	}
	return nil
}

func main() {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns = 0 // no limit
	transport.MaxIdleConnsPerHost = 1024
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	server := &http.Server{
		Addr:    "127.0.0.1:" + os.Getenv("PORT"),
		Handler: handler{os.Getenv("RECEIVER_URL"), client},
	}
	log.Fatal(server.ListenAndServe())
}
