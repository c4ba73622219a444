-- Every request is an event of its own, as KafkaSource sends it, and matches the shipped rule.
local n = 0
local id = 0
function setup(thread) id = id + 1; thread:set("tid", id) end
function request()
  n = n + 1
  local body = '{"@timestamp":1629856477.226758,"log":"10.0.0.1 - - [25/Aug/2021:01:54:36 +0000] \\"GET /notfound/'..tid..'/'..n..' HTTP/1.1\\" 404 49923 \\"-\\" \\"curl/7.58.0\\"\\n","time":"2021-08-25T01:54:37.226757612Z","kubernetes":{"pod_name":"wordpress-v1-f54f697c5-hdn2z","namespace_name":"demo-project","container_name":"container-nrdsp1"}}'
  local h = {["prefer"]="reply",["kn-namespace"]="default",["ce-specversion"]="1.0",["ce-id"]="partition:"..tid.."/offset:"..n,["ce-source"]="/apis/v1/namespaces/default/kafkasources/logs#fluentbit",["ce-type"]="dev.knative.kafka.event",["ce-subject"]="partition:0#564",["ce-time"]="2026-08-07T10:15:30.123Z",["ce-knativekafkapartition"]="0",["ce-knativekafkaoffset"]="564"}
  return wrk.format("POST", "/", h, body)
end
