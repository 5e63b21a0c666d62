{{/* Labels of everything, given the context and the name of a part. */}}
{{- define "ft.labels" -}}
app.kubernetes.io/name: ft-platform
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "ft.about" -}}
{{ include "ft.labels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{/* Name of a part: other releases in the namespace have others. */}}
{{- define "ft.name" -}}
{{ .root.Release.Name }}-{{ .part }}
{{- end }}

{{- define "ft.database" -}}
{{- if .Values.postgres.enabled -}}
{{ include "ft.name" (dict "root" . "part" "postgres") }}
{{- else -}}
{{ required "database.host is missing: name your PostgreSQL, or set postgres.enabled=true" .Values.database.host }}
{{- end -}}
{{- end }}

{{/* What the pod security standard "restricted" asks of a container, and a root file system that nobody writes. */}}
{{- define "ft.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "ft.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "ft.pullSecrets" -}}
imagePullSecrets:
{{- range .Values.images.pullSecrets }}
  - name: {{ . }}
{{- else }} []
{{- end }}
{{- end }}

{{/* Where the Dagster instance is. */}}
{{- define "ft.instance" -}}
- {name: HOME, value: /tmp}
- {name: FT_ENVIRONMENT, value: /etc/ft/ft_environment.yaml}
- {name: DAGSTER_POSTGRES_HOST, value: {{ include "ft.database" . | quote }}}
- {name: DAGSTER_POSTGRES_DB, value: {{ .Values.database.name | quote }}}
- {name: DAGSTER_POSTGRES_USER, value: {{ .Values.database.user | quote }}}
- {name: PGSSLMODE, value: {{ ternary "disable" "require" .Values.postgres.enabled }}}
- name: DAGSTER_POSTGRES_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ .Values.secrets.postgresPassword.name }}, key: {{ .Values.secrets.postgresPassword.key }}}
{{- end }}

{{/* Variables and secrets of who reads the lake. */}}
{{- define "ft.variables" -}}
{{- range $name, $value := .Values.variables }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{- define "ft.envFrom" -}}
envFrom:
{{- range .Values.secrets.environment }}
  - secretRef: {name: {{ . }}}
{{- else }} []
{{- end }}
{{- end }}

{{/* Files that every process of Dagster reads or writes. */}}
{{- define "ft.mounts" -}}
- {name: settings, mountPath: /etc/ft, readOnly: true}
- {name: temporary, mountPath: /tmp}
- {name: logs, mountPath: /var/lib/dagster}
{{- end }}

{{- define "ft.volumes" -}}
- name: settings
  configMap: {name: {{ include "ft.name" (dict "root" . "part" "settings") }}}
- name: temporary
  emptyDir: {}
- name: logs
  persistentVolumeClaim: {claimName: {{ include "ft.name" (dict "root" . "part" "logs") }}}
{{- end }}

{{/* A pod that comes back with the new settings when they change. */}}
{{- define "ft.settingsHash" -}}
checksum/settings: {{ include (print .Template.BasePath "/settings.yaml") . | sha256sum }}
{{- end }}

{{/* Waits for the code location: an init container that fails is started again. */}}
{{- define "ft.waitForCode" -}}
- name: wait-for-code
  image: {{ .Values.images.orchestrator }}
  imagePullPolicy: {{ .Values.images.pullPolicy }}
  args: [dagster, api, grpc-health-check, --host, {{ include "ft.name" (dict "root" . "part" "code") }}, --port, "4000"]
  env:
    {{- include "ft.instance" . | nindent 4 }}
  resources:
    {{- toYaml .Values.daemon.resources | nindent 4 }}
  securityContext:
    {{- include "ft.containerSecurity" . | nindent 4 }}
  volumeMounts:
    {{- include "ft.mounts" . | nindent 4 }}
{{- end }}
